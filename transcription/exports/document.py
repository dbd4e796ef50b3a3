"""Writes a transcript as a Word document (OOXML) with python-docx."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from itertools import zip_longest
from typing import TYPE_CHECKING

from django.template.defaultfilters import date as date_format
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from transcription.comments.by_time import ByTime
from transcription.exports.fields import spoken_language, text_language
from transcription.exports.speakers import names_of, prefix_of
from transcription.models import Comment, Segment, Transcription
from transcription.options.languages import LANGUAGES
from transcription.transcripts.checks import checked

if TYPE_CHECKING:
    from docx.document import Document
    from docx.text.paragraph import Paragraph
    from docx.text.run import Run

NO_COMMENTS: tuple[Comment, ...] = ()
# Characters that XML 1.0 excludes even if escaped: control characters, lone surrogates and non-characters.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
LONGEST_TITLE = 255


def word_document(
    transcription: Transcription,
    segments: list[Segment],
    comments: Iterable[Comment] = NO_COMMENTS,
    beside: Sequence[str] = (),
) -> bytes:
    """Returns a document with a title, the recording's date and length, and a timed paragraph for each segment.

    comments: those that the document has at their passages, each with its replies. beside: another text, by segments,
    which stands in a second column.
    """
    from docx import Document as new_document  # slow to import, and rarely needed

    document = new_document()
    title = _legal(transcription.recording.name)
    document.add_heading(title, level=1)
    document.add_paragraph(_legal(" · ".join(_facts(transcription))))
    names = names_of(transcription)
    runs: list[tuple[float, float, Run]] = []
    new_row = _rows(document) if beside else None
    for segment, other in zip_longest(segments, beside, fillvalue=""):
        assert isinstance(segment, Segment)
        if text := " ".join(_legal(segment.text).split()):
            paragraph, second = new_row() if new_row else (document.add_paragraph(), None)
            if second is not None and other:
                second.add_run(_legal(other))
            paragraph.add_run(f"[{_clock(segment.start)}]\u2002").italic = True
            if prefix := _legal(prefix_of(segment, names)):
                paragraph.add_run(prefix).bold = True
            runs.append((segment.start, segment.end, paragraph.add_run(text)))
    lines = ByTime(runs)
    for thread in comments:
        _add_comment(document, thread, lines.within(thread.start, thread.end))
    _set_properties(document, transcription, title)
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def _rows(document: Document) -> Callable[[], tuple[Paragraph, Paragraph]]:
    """Adds a table of two columns, and returns what adds a row to it, and returns its paragraphs.

    A row is a copy of the first one: python-docx looks at the whole table for each cell that it is asked for.
    """
    from docx.oxml.ns import qn
    from docx.text.paragraph import Paragraph

    table = document.add_table(1, 2)
    table.autofit = False
    empty = table.rows[0]._tr
    table._tbl.remove(empty)

    def new_row() -> tuple[Paragraph, Paragraph]:
        row = deepcopy(empty)
        table._tbl.append(row)
        first, second = (Paragraph(one, table) for one in row.iter(qn("w:p")))
        return first, second

    return new_row


def _add_comment(document: Document, thread: Comment, runs: list[Run]) -> None:
    if not runs:
        return
    for comment in (thread, *thread.replies.all()):
        if comment.text:
            author = _legal(comment.author) or "–"
            document.add_comment(runs[:: max(1, len(runs) - 1)], _legal(comment.text), author, author[:1])


def _set_properties(document: Document, transcription: Transcription, title: str) -> None:
    properties = document.core_properties
    properties.title = title[:LONGEST_TITLE]
    properties.author = ""
    properties.comments = ""
    properties.language = text_language(transcription)
    if transcription.finished_at is not None:
        properties.created = properties.modified = transcription.finished_at


def _facts(transcription: Transcription) -> list[str]:
    recording = transcription.recording
    language = LANGUAGES.get(spoken_language(transcription), "").capitalize()
    day = date_format(recording.created_at, pgettext("date format", "j F Y"))
    facts = (day, _clock(recording.duration_seconds), language, checked(transcription).sentence)
    return [fact for fact in facts if fact] or [_("Transcript")]


def _legal(text: str) -> str:
    return _NOT_XML.sub("", text)


def _clock(seconds: float) -> str:
    whole = max(0, int(seconds))
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"

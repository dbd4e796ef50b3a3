"""A transcript as a Word document (OOXML), by python-docx."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

from django.template.defaultfilters import date as date_format
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from transcription.exports.fields import spoken_language, text_language
from transcription.models import Segment, Transcription
from transcription.options.languages import LANGUAGES

if TYPE_CHECKING:
    from docx.document import Document

# What XML 1.0 has no place for, not even escaped: control characters, halves of surrogate pairs, non-characters.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
LONGEST_TITLE = 255


def word_document(transcription: Transcription, segments: list[Segment]) -> bytes:
    """A title, what the recording is, and a paragraph for each segment with its time before it."""
    from docx import Document as new_document  # a slow import that few need

    document = new_document()
    title = _legal(transcription.recording.name)
    document.add_heading(title, level=1)
    document.add_paragraph(_legal(" · ".join(_facts(transcription))))
    for segment in segments:
        if text := " ".join(_legal(segment.text).split()):
            paragraph = document.add_paragraph()
            paragraph.add_run(f"[{_clock(segment.start)}]\u2002").italic = True
            paragraph.add_run(text)
    _describe(document, transcription, title)
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def _describe(document: Document, transcription: Transcription, title: str) -> None:
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
    return [fact for fact in (day, _clock(recording.duration_seconds), language) if fact] or [_("Transcript")]


def _legal(text: str) -> str:
    return _NOT_XML.sub("", text)


def _clock(seconds: float) -> str:
    whole = max(0, int(seconds))
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"

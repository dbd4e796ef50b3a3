"""The export formats, and rendering a transcription in one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.utils.translation import gettext as _

from transcription.errors import InvalidOption
from transcription.exports import beside as other_text
from transcription.exports.cues import Cue, split_into_cues
from transcription.exports.document import word_document
from transcription.exports.fields import text_language
from transcription.exports.layout import Layout
from transcription.exports.speakers import names_of, prefixes_of
from transcription.exports.subtitles import subrip, webvtt
from transcription.exports.texts import full_json, plain_text, tsv
from transcription.library import retention
from transcription.media.filenames import without_extension
from transcription.models import Comment, Segment, Transcription
from transcription.strikes import redacted


@dataclass(frozen=True)
class Export:
    content_type: str
    body: str | bytes
    file_name: str


Writer = Callable[[Transcription, list[Segment]], str | bytes]
WRITERS: dict[str, tuple[str, Writer]] = {
    "txt": ("text/plain; charset=utf-8", lambda row, segments: plain_text(segments, names_of(row))),
    "srt": ("application/x-subrip; charset=utf-8", lambda row, segments: subrip(segments, names=names_of(row))),
    "vtt": ("text/vtt; charset=utf-8", lambda row, segments: webvtt(segments, names=names_of(row))),
    "json": ("application/json", full_json),
    "tsv": ("text/tab-separated-values; charset=utf-8", lambda row, segments: tsv(segments, names_of(row))),
    "docx": ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", word_document),
}
SUBTITLES: dict[str, Callable[..., str]] = {"srt": subrip, "vtt": webvtt}
BILINGUAL = ("txt", *SUBTITLES, "docx")
"""The formats that another text fits into."""


def render(
    transcription: Transcription,
    format: str,
    layout: Layout | None = None,
    *,
    original: bool = False,
    comments: Iterable[Comment] = (),
    beside: Transcription | None = None,
) -> Export:
    """Returns a transcription as a file, without what is struck unless it is to be the `original`.

    comments: first ones of threads, which a Word document has at their passages; other formats have none. beside:
    another transcription of the recording, whose text stands below each line, or in a column of its own.

    Raises KeyError for an unknown format, InvalidOption for a layout of a format without cues, or a text beside where
    there is no room for it, and TextDeleted.
    """
    content_type, write = WRITERS[format]
    if layout is not None and format not in SUBTITLES:
        message = _("Line lengths apply to the subtitle formats srt and vtt only; omit them for %(format)s.")
        raise InvalidOption("max_line_length", message % {"format": format})
    if beside is not None and format not in BILINGUAL:
        message = _("Two texts fit into %(known)s only; omit “beside” for %(format)s.")
        raise InvalidOption("beside", message % {"known": ", ".join(BILINGUAL), "format": format})
    retention.require_text(transcription)
    segments = list(transcription.segments.all()) if original else redacted(transcription)
    texts = other_text.aligned(segments, other_text.shown_beside(beside)) if beside else ()
    if format in SUBTITLES:
        body: str | bytes = SUBTITLES[format](segments, layout, names=names_of(transcription), beside=texts)
    elif format == "docx":
        body = word_document(transcription, segments, comments, texts)
    elif texts:
        body = plain_text(segments, names_of(transcription), texts)
    else:
        body = write(transcription, segments)
    name = file_name_of(transcription, f"{_languages(transcription, beside)}{format}" if beside else format)
    return Export(content_type, body, name)


def cues_of(row: Transcription, layout: Layout, beside: Transcription | None = None) -> list[Cue]:
    """Returns the cues that SubRip has. Raises TextDeleted."""
    retention.require_text(row)
    segments = redacted(row)
    texts = other_text.aligned(segments, other_text.shown_beside(beside)) if beside else ()
    return list(split_into_cues(segments, layout, prefixes_of(names_of(row)), texts))


def _languages(row: Transcription, beside: Transcription) -> str:
    codes = (text_language(one) for one in (row, beside))
    return "".join(f"{code}." for code in codes if code)


def file_name_of(transcription: Transcription, format: str) -> str:
    stem = without_extension(transcription.recording.name) or "transcript"
    return f"{stem}.{format}"

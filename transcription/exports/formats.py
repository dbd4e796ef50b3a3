"""The export formats, and rendering a transcription in one of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.utils.translation import gettext as _

from transcription.errors import InvalidOption
from transcription.exports.document import word_document
from transcription.exports.layout import Layout
from transcription.exports.speakers import names_of
from transcription.exports.subtitles import subrip, webvtt
from transcription.exports.texts import full_json, plain_text, tsv
from transcription.library import retention
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


def render(
    transcription: Transcription,
    format: str,
    layout: Layout | None = None,
    *,
    original: bool = False,
    comments: Iterable[Comment] = (),
) -> Export:
    """Returns a transcription as a file, without what is struck unless it is to be the `original`.

    comments: first ones of threads, which a Word document has at their passages; other formats have none.

    Raises KeyError for an unknown format, InvalidOption for a layout of a format without cues, and TextDeleted.
    """
    content_type, write = WRITERS[format]
    if layout is not None and format not in SUBTITLES:
        message = _("Line lengths apply to the subtitle formats srt and vtt only; omit them for %(format)s.")
        raise InvalidOption("max_line_length", message % {"format": format})
    retention.require_text(transcription)
    segments = list(transcription.segments.all()) if original else redacted(transcription)
    if layout is not None:
        body: str | bytes = SUBTITLES[format](segments, layout, names=names_of(transcription))
    elif format == "docx":
        body = word_document(transcription, segments, comments)
    else:
        body = write(transcription, segments)
    return Export(content_type, body, file_name_of(transcription, format))


def file_name_of(transcription: Transcription, format: str) -> str:
    stem = re.sub(r"\.[A-Za-z0-9]{1,5}$", "", transcription.recording.name) or "transcript"
    return f"{stem}.{format}"

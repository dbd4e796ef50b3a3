"""Writes transcripts as plain text, TSV and JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from transcription.exports.fields import segment_fields, verbose_json
from transcription.exports.formulas import escape_formulas
from transcription.models import Segment, Transcription


def plain_text(segments: Iterable[Segment]) -> str:
    """Returns one line for each segment, as openai-whisper's WriteTXT does."""
    return "".join(f"{segment.text.strip()}\n" for segment in segments)


def tsv(segments: Iterable[Segment]) -> str:
    """Returns start and end in milliseconds and text, tab-separated, with formulas escaped."""
    rows = (f"{round(s.start * 1000)}\t{round(s.end * 1000)}\t{_cell(s.text)}\n" for s in segments)
    return "start\tend\ttext\n" + "".join(rows)


def full_json(transcription: Transcription, segments: list[Segment]) -> str:
    """Returns verbose_json with the words of each segment."""
    body = verbose_json(transcription, ()) | {"segments": [_with_words(segment) for segment in segments]}
    return json.dumps(body, ensure_ascii=False, indent=2)


def _cell(text: str) -> str:
    return escape_formulas(re.sub(r"[\t\r\n]+", " ", text).strip())


def _with_words(segment: Segment) -> dict[str, Any]:
    """Adds `words` if they were timed, each with its leading space, as openai-whisper's JSON does."""
    return segment_fields(segment) | ({"words": segment.words} if segment.words else {})

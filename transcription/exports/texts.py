"""Writes transcripts as plain text, TSV and JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from tenants.formulas import escape_formulas
from transcription.exports.fields import segment_fields, verbose_json
from transcription.exports.speakers import UNNAMED, Names, name_of, names_of
from transcription.models import Segment, Transcription
from transcription.scripts import with_leading_space
from transcription.transcripts.checks import checked, is_whole


def plain_text(segments: Iterable[Segment], names: Names = UNNAMED, beside: Sequence[str] = ()) -> str:
    """Returns one line for each segment, as openai-whisper's WriteTXT does; for each turn of a speaker, after the name.

    beside: another text, by segments: each stands below its segment, and an empty line after both.
    """
    if beside:
        pairs = zip(segments, beside, strict=True)
        return "".join(f"{plain_text([segment], names)}{text}\n".rstrip("\n") + "\n\n" for segment, text in pairs)
    turns = groupby(segments, key=lambda segment: name_of(segment, names))
    return "".join(f"{line}\n" for name, said in turns for line in _lines(name, [one.text.strip() for one in said]))


def _lines(name: str, said: list[str]) -> list[str]:
    return [f"{name}: {''.join(map(with_leading_space, said)).strip()}"] if name else said


def tsv(segments: Iterable[Segment], names: Names = UNNAMED) -> str:
    """Returns start and end in milliseconds, text and speaker, tab-separated, with formulas escaped.

    The last column is there where speakers were told apart.
    """
    head = ["start", "end", "text", *(["speaker"] if names else [])]
    rows = [head]
    for segment in segments:
        speaker = [_cell(name_of(segment, names))] if names else []
        rows.append([f"{round(segment.start * 1000)}", f"{round(segment.end * 1000)}", _cell(segment.text), *speaker])
    return "".join("\t".join(row) + "\n" for row in rows)


def full_json(transcription: Transcription, segments: list[Segment]) -> str:
    """Returns verbose_json with the words of each segment, and where people have checked something, what."""
    names, state = names_of(transcription), checked(transcription)
    body = verbose_json(transcription, ()) | {"segments": [_with_words(segment, names) for segment in segments]}
    if state.count:
        body["checked"] = state.fields
        for fields, segment in zip(body["segments"], segments, strict=True):
            fields["checked"] = is_whole(segment)
    return json.dumps(body, ensure_ascii=False, indent=2)


def _cell(text: str) -> str:
    return escape_formulas(re.sub(r"[\t\r\n]+", " ", text).strip())


def _with_words(segment: Segment, names: Names) -> dict[str, Any]:
    """Adds `words` if they were timed, each with its leading space, as openai-whisper's JSON does."""
    return segment_fields(segment, names) | ({"words": segment.words} if segment.words else {})

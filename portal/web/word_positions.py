"""The places of words in a segment's text, for the page and its scripts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from transcription.models import Segment

WordPosition = tuple[int, int, float, float]


def word_positions(segment: Segment) -> list[WordPosition]:
    """Returns start and end of each word in the trimmed text and its times in seconds, leaving out missing words.

    Positions count UTF-16 units, as JavaScript does.
    """
    text = segment.text.strip()
    return [
        (_units(text[:start]), _units(text[:end]), word["start"], word["end"])
        for start, end, word in placed_words(segment)
    ]


def placed_words(segment: Segment) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """Yields start and end of each word in the trimmed text, in characters, and the word, leaving out missing words."""
    text, at = segment.text.strip(), 0
    for word in segment.words:
        spoken = word["word"].strip()
        place = text.find(spoken, at) if spoken else -1
        if place >= 0:
            at = place + len(spoken)
            yield place, at, word


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2

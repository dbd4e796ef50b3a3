"""The places of words in a segment's text, for the page and its scripts."""

from __future__ import annotations

from transcription.models import Segment
from transcription.segments.word_places import placed_words

WordPosition = tuple[int, int, float, float]


def word_positions(segment: Segment) -> list[WordPosition]:
    """Returns start and end of each word in the trimmed text and its times in seconds, leaving out missing words.

    Positions count UTF-16 units, as JavaScript does.
    """
    text = segment.text.strip()
    return [
        (units(text[:start]), units(text[:end]), word["start"], word["end"])
        for start, end, word in placed_words(segment)
    ]


def units(text: str) -> int:
    """Returns how many UTF-16 units a text has."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2

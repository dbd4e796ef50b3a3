"""The positions of words in a segment's text, for the page's scripts."""

from __future__ import annotations

from transcription.models import Segment

WordPosition = tuple[int, int, float, float]


def word_positions(segment: Segment) -> list[WordPosition]:
    """Returns start and end of each word in the trimmed text and its times in seconds, leaving out missing words.

    Positions count UTF-16 units, as JavaScript does.
    """
    text, at, positions = segment.text.strip(), 0, list[WordPosition]()
    for word in segment.words:
        spoken = word["word"].strip()
        place = text.find(spoken, at) if spoken else -1
        if place >= 0:
            at = place + len(spoken)
            positions.append((_units(text[:place]), _units(text[:at]), word["start"], word["end"]))
    return positions


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2

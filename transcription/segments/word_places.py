"""Where the timed words of a segment stand in its text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from transcription.models import Segment


def placed_words(segment: Segment) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """Yields start and end of each word in the trimmed text, in characters, and the word, leaving out missing words."""
    text, at = segment.text.strip(), 0
    for word in segment.words:
        spoken = word["word"].strip()
        place = text.find(spoken, at) if spoken else -1
        if place >= 0:
            at = place + len(spoken)
            yield place, at, word

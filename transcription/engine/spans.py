"""Arithmetic with stretches of time, which needs no numpy: the portal's web processes do it, too."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from operator import itemgetter

from transcription.engine.types import Span

TOLERANCE_SECONDS = 0.5
"""Speech so near a text counts as its own: Whisper's timestamps are rounded."""

SHORTEST_SECONDS = 0.99
"""Shorter speech without text is not missed: the voice detector is certain of a second at least."""


def subtracted(spans: Iterable[Span], holes: Iterable[Span]) -> Iterator[Span]:
    """Yields what is left of each span where it is in none of the holes."""
    disjoint = _union(holes)
    for start, end in spans:
        at = start
        for a, b in disjoint[bisect_right(disjoint, start, key=itemgetter(1)) :]:
            if a >= end:
                break
            if a > at:
                yield at, a
            at = b
        if at < end:
            yield at, end


def without_text(speech: Iterable[Span], texts: Iterable[Span]) -> list[Span]:
    """Returns the stretches of speech that are TOLERANCE_SECONDS away from all texts and not too short."""
    near = ((start - TOLERANCE_SECONDS, end + TOLERANCE_SECONDS) for start, end in texts)
    return [(start, end) for start, end in subtracted(speech, near) if end - start >= SHORTEST_SECONDS]


def share_within(span: Span, stretches: Iterable[Span]) -> float:
    """Returns how much of a span is in one of the stretches, 0.0 to 1.0."""
    start, end = span
    outside = sum(b - a for a, b in subtracted([span], stretches))
    return max(0.0, 1.0 - outside / (end - start)) if end > start else 0.0


def _union(spans: Iterable[Span]) -> list[Span]:
    """Returns disjoint spans in order that cover the same time."""
    disjoint: list[Span] = []
    for start, end in sorted(spans):
        if disjoint and start <= disjoint[-1][1]:
            disjoint[-1] = disjoint[-1][0], max(end, disjoint[-1][1])
        else:
            disjoint.append((start, end))
    return disjoint

"""Sets of seconds, as lists of disjoint spans in order."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

Span = tuple[float, float]
SHORTEST = 0.0005
"""Seconds that count: times are kept in milliseconds."""


def united(*sets: Iterable[Sequence[float]]) -> list[Span]:
    """Returns the seconds that are in any of some sets."""
    joined: list[Span] = []
    for start, end in sorted((round(one[0], 3), round(one[1], 3)) for spans in sets for one in spans):
        if joined and start <= joined[-1][1] + SHORTEST:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        elif end - start > SHORTEST:
            joined.append((start, end))
    return joined


def without(spans: Iterable[Sequence[float]], taken: Iterable[Sequence[float]]) -> list[Span]:
    """Returns the seconds of `spans` that are not in `taken`."""
    left = united(spans)
    for begin, finish in united(taken):
        parts = [(start, min(end, begin)) for start, end in left] + [(max(start, finish), end) for start, end in left]
        left = united(part for part in parts if part[1] - part[0] > SHORTEST)
    return left


def within(spans: Iterable[Sequence[float]], start: float, end: float) -> list[Span]:
    """Returns the seconds of `spans` between two times."""
    return united((max(one[0], start), min(one[1], end)) for one in spans if overlaps([one], start, end))


def near(spans: Sequence[Sequence[float]], start: float, end: float) -> Sequence[Sequence[float]]:
    """Returns the spans, which are disjoint and in order, that have or touch something between two times."""
    first = bisect_left(spans, start - SHORTEST, key=lambda one: one[1])
    return spans[first : bisect_right(spans, end + SHORTEST, lo=first, key=lambda one: one[0])]


def overlaps(spans: Sequence[Sequence[float]], start: float, end: float) -> bool:
    """Returns whether something between two times is in `spans`, which are disjoint and in order.

    A moment counts at their edges, too.
    """
    spans = near(spans, start, end)
    if end - start <= SHORTEST:
        return any(one[0] - SHORTEST <= start and end <= one[1] + SHORTEST for one in spans)
    return any(min(one[1], end) - max(one[0], start) > SHORTEST for one in spans)

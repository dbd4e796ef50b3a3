"""Finds what is said in some seconds."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import accumulate
from typing import Generic, TypeVar

from transcription.strikes.spans import SHORTEST

Thing = TypeVar("Thing")


class ByTime(Generic[Thing]):
    """Things with their start and end in seconds, in order. They may overlap."""

    def __init__(self, things: Iterable[tuple[float, float, Thing]]) -> None:
        self._things = sorted(things, key=lambda one: one[:2])
        self._starts = [one[0] for one in self._things]
        self._latest = list(accumulate((one[1] for one in self._things), max))

    def within(self, start: float, end: float) -> list[Thing]:
        """Returns what has a part of the seconds between two times."""
        first = bisect_right(self._latest, start + SHORTEST)
        last = bisect_left(self._starts, end - SHORTEST)
        return [thing for _start, finish, thing in self._things[first:last] if finish > start + SHORTEST]

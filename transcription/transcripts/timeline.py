"""When the characters of a segment are spoken: by its words' times, or else in proportion."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Any


class Timeline:
    """Times, in seconds, of the places between a text's characters. Spaces don't count; places go from 0 to `length`.

    Never before `start` or after `end`, and later places are never earlier.
    """

    def __init__(self, text: str, words: list[dict[str, Any]], start: float, end: float) -> None:
        spoken = "".join(text.split())
        self.length = len(spoken)
        self._marks: list[tuple[int, int, float, float]] = []
        if words and "".join("".join(word["word"].split()) for word in words) == spoken:
            self._mark(words, start, max(start, end))
        if not self._marks:
            self._marks = [(0, max(1, self.length), start, max(start, end))]
        self._starts = [mark[0] for mark in self._marks]
        self._ends = [mark[1] for mark in self._marks]

    def ends(self, place: int) -> float:
        """When what stands before `place` is over."""
        return self._at(min(bisect_left(self._ends, place), len(self._marks) - 1), place)

    def begins(self, place: int) -> float:
        """When what stands after `place` begins."""
        return self._at(max(bisect_right(self._starts, place) - 1, 0), place)

    def _mark(self, words: list[dict[str, Any]], start: float, end: float) -> None:
        at, now = 0, start
        for word in words:
            length = len("".join(word["word"].split()))
            begin = min(max(now, word["start"]), end)
            now = min(max(begin, word["end"]), end)
            if length:
                self._marks.append((at, at + length, begin, now))
            at += length

    def _at(self, number: int, place: int) -> float:
        first, last, begin, end = self._marks[number]
        if place >= last:
            return end  # exactly: the sum below may miss it by a bit
        return begin + (end - begin) * max(0, place - first) / (last - first)

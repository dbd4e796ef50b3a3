"""Estimates when the characters of a segment are spoken: from its words' times, or else in proportion."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Any


class Timeline:
    """Times, in seconds, of the positions between a text's characters, from 0 to `length`; spaces don't count.

    Times lie between `start` and `end` and never decrease.
    """

    def __init__(self, text: str, words: list[dict[str, Any]], start: float, end: float) -> None:
        spoken = "".join(text.split())
        self.length = len(spoken)
        self._spans: list[tuple[int, int, float, float]] = []
        if words and "".join("".join(word["word"].split()) for word in words) == spoken:
            self._add_spans(words, start, max(start, end))
        if not self._spans:
            self._spans = [(0, max(1, self.length), start, max(start, end))]
        self._starts = [span[0] for span in self._spans]
        self._ends = [span[1] for span in self._spans]

    def end_before(self, position: int) -> float:
        """Returns the end of the character before `position`."""
        return self._interpolate(min(bisect_left(self._ends, position), len(self._spans) - 1), position)

    def start_after(self, position: int) -> float:
        """Returns the start of the character after `position`."""
        return self._interpolate(max(bisect_right(self._starts, position) - 1, 0), position)

    def _add_spans(self, words: list[dict[str, Any]], start: float, end: float) -> None:
        position, word_end = 0, start
        for word in words:
            length = len("".join(word["word"].split()))
            word_start = min(max(word_end, word["start"]), end)
            word_end = min(max(word_start, word["end"]), end)
            if length:
                self._spans.append((position, position + length, word_start, word_end))
            position += length

    def _interpolate(self, index: int, position: int) -> float:
        first, last, start, end = self._spans[index]
        if position >= last:
            return end  # the sum below may differ by a rounding error
        return start + (end - start) * max(0, position - first) / (last - first)

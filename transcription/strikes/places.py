"""Which words of a segment are struck, and which seconds are those of some words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from transcription.strikes.spans import Span, near, overlaps

SHORTEST_STRIKE = 0.1
"""Seconds: where words are timed shorter than that, their sound lies in those beside them, too."""


class Word(NamedTuple):
    """A word: its characters in the trimmed text, from and to, and its seconds. All of a text is one without times."""

    first: int
    last: int
    start: float
    end: float


def words_of(text: str, words: Sequence[dict[str, Any]], start: float, end: float) -> list[Word]:
    """Returns the timed words of a trimmed text; if they are not timed, or spell another text, all of it as one."""
    placed, at = list[Word](), 0
    for word in words:
        spoken = word["word"].strip()
        if not spoken:
            continue
        at += len(text[at:]) - len(text[at:].lstrip())
        if not text.startswith(spoken, at):
            return [Word(0, len(text), start, end)]
        placed.append(Word(at, at + len(spoken), word["start"], word["end"]))
        at += len(spoken)
    return placed if placed and not text[at:].strip() else [Word(0, len(text), start, end)]


def places_of(
    text: str, words: Sequence[dict[str, Any]], start: float, end: float, spans: Sequence[Sequence[float]]
) -> list[tuple[int, int]]:
    """Returns the characters, from and to, of a segment's trimmed text that are struck, in runs of words."""
    beside = near(spans, start, end)
    if not beside or not text:
        return []
    runs, before = list[tuple[int, int]](), False
    for word in words_of(text, words, start, end):
        struck = overlaps(beside, word.start, word.end)
        if struck and before:
            runs[-1] = (runs[-1][0], word.last)
        elif struck:
            runs.append((word.first, word.last))
        before = struck
    return runs


def seconds_of(
    text: str, words: Sequence[dict[str, Any]], start: float, end: float, first: int, last: int
) -> Span | None:
    """Returns the seconds of the words between two characters of a trimmed text; None if there are none."""
    chosen = [word for word in words_of(text, words, start, end) if word.first < last and first < word.last]
    if not chosen:
        return None
    begin, finish = min(word.start for word in chosen), max(word.end for word in chosen)
    more = max(0.0, SHORTEST_STRIKE - (finish - begin)) / 2
    return max(0.0, begin - more), finish + more

"""The words that were removed and added between two versions of some segments.

Myers' algorithm (1986), with limits against hostile texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby

from transcription.scripts import line_break_units

MAX_CHARACTERS = 6000  # compared of each version
MAX_STEPS = 250  # differing words; above, all words count as changed
CONTEXT = 12  # words shown beside a change
LONGEST_RUN = 80  # words shown of one change
BREAK = "\n"


class Kind(StrEnum):
    SAME = "same"
    REMOVED = "removed"
    ADDED = "added"
    GAP = "gap"


@dataclass(frozen=True)
class DiffSpan:
    """A run of words, or the end of a segment if `text` is BREAK."""

    kind: Kind
    text: str

    @property
    def is_break(self) -> bool:
        return self.text == BREAK


@dataclass(frozen=True)
class Difference:
    """The difference of two texts; `is_cut` if only the beginnings were compared."""

    parts: list[DiffSpan]
    is_cut: bool

    @property
    def is_empty(self) -> bool:
        """Whether the words are the same, so that only times differ."""
        return not self.is_cut and all(part.kind in (Kind.SAME, Kind.GAP) for part in self.parts)


def difference(before: Sequence[str], after: Sequence[str], is_whole: bool = False) -> Difference:
    """Returns the difference between the texts of segments, comparing words without surrounding spaces.

    is_whole: all unchanged words are shown, not only those beside a change.
    """
    former, cut_former = _tokens(before)
    latter, cut_latter = _tokens(after)
    is_cut = cut_former or cut_latter
    pairs = _pairs([token.strip(" ") for token in former], [token.strip(" ") for token in latter])
    parts: list[DiffSpan] = []
    i = j = 0
    for a, b in pairs:
        parts += _changed(former[i:a], latter[j:b])
        parts.append(DiffSpan(Kind.SAME, former[a] if former[a].startswith(" ") else latter[b]))
        i, j = a + 1, b + 1
    if not (is_cut and pairs):  # after the last equal words, cut-off text is not a change
        parts += _changed(former[i:], latter[j:])
    return Difference(_merged(parts, is_whole), is_cut)


def _tokens(texts: Sequence[str]) -> tuple[list[str], bool]:
    """Returns words with their leading space, BREAK between segments, and whether the texts were cut off."""
    tokens, left = list[str](), MAX_CHARACTERS
    for number, text in enumerate(texts):
        if left <= 0:
            return tokens, True
        tokens += [BREAK] * (number > 0) + line_break_units(" ".join(text[:left].split()))
        left -= len(text) + 1
    return tokens, left < -1


def _pairs(a: Sequence[str], b: Sequence[str]) -> list[tuple[int, int]]:
    """Returns the index pairs of a longest common subsequence; none if the difference exceeds MAX_STEPS."""
    reached, trail = {1: 0}, list[dict[int, int]]()
    for steps in range(MAX_STEPS + 1):
        trail.append(dict(reached))
        for diagonal in range(-steps, steps + 1, 2):
            x = _next(reached, diagonal, steps)
            while x < len(a) and x - diagonal < len(b) and a[x] == b[x - diagonal]:
                x += 1
            reached[diagonal] = x
            if x >= len(a) and x - diagonal >= len(b):
                return _walk_back(trail, len(a), len(b))
    return []


def _next(reached: dict[int, int], diagonal: int, steps: int) -> int:
    """Returns the furthest `x` on a diagonal after one more step: an inserted word of `b` or a deleted one of `a`."""
    if diagonal == -steps or (diagonal != steps and reached[diagonal - 1] < reached[diagonal + 1]):
        return reached[diagonal + 1]
    return reached[diagonal - 1] + 1


def _walk_back(trail: list[dict[int, int]], x: int, y: int) -> list[tuple[int, int]]:
    pairs = []
    for steps in range(len(trail) - 1, -1, -1):
        reached, diagonal = trail[steps], x - y
        start = _next(reached, diagonal, steps)
        while x > start:
            x, y = x - 1, y - 1
            pairs.append((x, y))
        down = start == reached.get(diagonal + 1)
        x, y = (start, start - diagonal - 1) if down else (start - 1, start - diagonal)
    return pairs[::-1]


def _changed(removed: Sequence[str], added: Sequence[str]) -> list[DiffSpan]:
    return _run(Kind.REMOVED, removed) + _run(Kind.ADDED, added)


def _run(kind: Kind, tokens: Sequence[str]) -> list[DiffSpan]:
    shown = [DiffSpan(kind, token) for token in tokens[:LONGEST_RUN]]
    return shown + [DiffSpan(Kind.GAP, "")] * (len(tokens) > LONGEST_RUN)


def _merged(parts: list[DiffSpan], is_whole: bool) -> list[DiffSpan]:
    """Merges neighbours of one kind, and shortens unchanged runs to the words beside a change unless `is_whole`."""
    runs = [(kind, list(run)) for kind, run in groupby(parts, key=lambda part: part.kind)]
    merged: list[DiffSpan] = []
    for number, (kind, run) in enumerate(runs):
        if kind == Kind.SAME and not is_whole:
            run = _trimmed(run, number > 0, number < len(runs) - 1)
        for (kind, is_break), group in groupby(run, key=lambda part: (part.kind, part.is_break)):
            texts = [part.text for part in group]
            merged += [DiffSpan(kind, BREAK)] * len(texts) if is_break else _spaced(kind, "".join(texts))
    return merged


def _spaced(kind: Kind, text: str) -> list[DiffSpan]:
    """Separates the leading space from a changed word, so that it isn't struck through."""
    if kind == Kind.SAME or not text.startswith(" "):
        return [DiffSpan(kind, text)]
    return [DiffSpan(Kind.SAME, " "), DiffSpan(kind, text[1:])]


def _trimmed(run: list[DiffSpan], after_change: bool, before_change: bool) -> list[DiffSpan]:
    """Shortens an unchanged run to the words near the changes before and after it."""
    head, tail = CONTEXT * after_change, CONTEXT * before_change
    if len(run) <= head + tail + 1:
        return run
    return [*run[:head], DiffSpan(Kind.GAP, ""), *run[len(run) - tail :]]

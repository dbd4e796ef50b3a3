"""The words of a text that people corrected: what was heard keeps its times, the rest shares what is between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Any

from transcription.scripts import line_break_units

Word = dict[str, Any]
MAX_CELLS = 10_000  # of a comparison: beyond, what differs in the middle is taken as new


def align_words(text: str, heard: Sequence[Word], start: float, end: float) -> list[Word]:
    """The timed words of `text`, which joined are the text; none where none were `heard`.

    A word that was heard keeps its times and its probability. Words that were not are given the time of those
    they replace, in proportion to their characters, and have no probability.
    """
    pieces = line_break_units(text)
    if not heard or not pieces:
        return []
    kept = _kept(pieces, heard)
    words, at, previous = list[Word](), 0, -1
    for (first, last), number in [*kept.items(), ((len(pieces), len(pieces)), len(heard))]:
        if at < first:
            words += _spread(pieces[at:first], *_room(heard, previous, number, start, end))
        if number < len(heard):
            words.append(heard[number] | {"word": "".join(pieces[first:last])})
            at, previous = last, number
    return list(in_order(words, start, end))


def _kept(pieces: list[str], heard: Sequence[Word]) -> dict[tuple[int, int], int]:
    """Where in `pieces` words stand that were heard: from and to, and which word."""
    old = [(number, atom.strip()) for number, word in enumerate(heard) for atom in line_break_units(word["word"])]
    pairs = dict(_matches([atom for _number, atom in old], [piece.strip() for piece in pieces]))
    places: dict[int, list[int | None]] = {}
    for place, (number, _atom) in enumerate(old):
        places.setdefault(number, []).append(pairs.get(place))
    kept = {}
    for number, found in places.items():
        first = found[0]
        if first is not None and found == list(range(first, first + len(found))):
            kept[first, first + len(found)] = number
    return kept


def _matches(old: list[str], new: list[str]) -> Iterator[tuple[int, int]]:
    """Places of equal line_break_units, in order: what is alike at both ends, and what a comparison finds between."""
    shorter = min(len(old), len(new))
    head = next((i for i in range(shorter) if old[i] != new[i]), shorter)
    yield from ((i, i) for i in range(head))
    rest = shorter - head
    tail = next((i for i in range(rest) if old[-1 - i] != new[-1 - i]), rest)
    left, right = old[head : len(old) - tail], new[head : len(new) - tail]
    if len(left) * len(right) <= MAX_CELLS:
        for block in SequenceMatcher(None, left, right, autojunk=False).get_matching_blocks():
            yield from ((head + block.a + i, head + block.b + i) for i in range(block.size))
    yield from ((len(old) - i, len(new) - i) for i in range(tail, 0, -1))


def _room(heard: Sequence[Word], before: int, after: int, start: float, end: float) -> tuple[float, float]:
    """The time of the words between two kept ones; where there are none, the gap."""
    if after - before > 1:
        return heard[before + 1]["start"], heard[after - 1]["end"]
    return (heard[before]["end"] if before >= 0 else start), (heard[after]["start"] if after < len(heard) else end)


def _spread(pieces: list[str], begin: float, end: float) -> Iterator[Word]:
    total = sum(len(piece.strip()) for piece in pieces)
    spoken = 0
    for piece in pieces:
        first, spoken = spoken, spoken + len(piece.strip())
        yield {
            "word": piece,
            "start": begin + (end - begin) * first / total,
            "end": begin + (end - begin) * spoken / total,
        }


def in_order(words: list[Word], start: float, end: float) -> Iterator[Word]:
    """Within the segment, and none before the one in front of it."""
    now = start
    for word in words:
        begin = min(max(now, word["start"]), max(start, end))
        now = min(max(begin, word["end"]), max(start, end))
        yield word | {"start": round(begin, 3), "end": round(now, 3)}

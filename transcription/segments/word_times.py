"""Assigns times to the words of a corrected text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Any

from transcription.scripts import line_break_units

Word = dict[str, Any]
MAX_CELLS = 10_000  # of a comparison; above, the differing middle counts as new


def align_words(text: str, heard: Sequence[Word], start: float, end: float) -> list[Word]:
    """Returns the timed words of `text`, which joined are the text; none without `heard` words.

    A word that was heard keeps its times and probability. New words share the time of those they replace, in
    proportion to their characters, and have no probability.
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
    """Maps ranges of `pieces` to the index of the heard word that they contain."""
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
    """Yields the index pairs of equal units, in order: equal ends, and the matching blocks in between."""
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
    """Returns the time of the words between two kept ones; without any, of the gap."""
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
    """Yields the words with times within the segment that never decrease."""
    word_end = start
    for word in words:
        word_start = min(max(word_end, word["start"]), max(start, end))
        word_end = min(max(word_start, word["end"]), max(start, end))
        yield word | {"start": round(word_start, 3), "end": round(word_end, 3)}

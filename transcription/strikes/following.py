"""Struck words that a correction moved to where nothing is struck, or another text has there: they stay struck."""

from __future__ import annotations

import unicodedata
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from operator import attrgetter
from typing import Any, NamedTuple

from transcription.scripts import line_break_units
from transcription.strikes.places import SHORTEST_STRIKE, words_of
from transcription.strikes.spans import Span, overlaps, united

Fields = dict[str, Any]
AROUND = 10.0
"""Seconds of two texts that are compared before and after what is struck."""
DRIFT = 2.0
"""Seconds that the times of the same word lie apart in two texts, at most, as far as one may be told by its time."""
MOST_ALIGNED = 400
"""Words of each text: more in so short a time are no speech, and are told by their spelling alone."""


class _Spoken(NamedTuple):
    text: str
    start: float
    end: float


def followed(before: Iterable[Fields], after: Iterable[Fields], spans: Iterable[Sequence[float]]) -> list[Span]:
    """Returns what has to be struck, too, so that the words of segments that were struck `before` are so `after`.

    A word counts as moved where more of it are readable than there were: those that were not there at that time.
    """
    spans = list(spans)
    former, latter = list(_spoken(before)), list(_spoken(after))
    struck = {word.text for word in former if overlaps(spans, word.start, word.end)}
    if not struck:
        return []
    readable = [word for word in former if not overlaps(spans, word.start, word.end)]
    exposed = [word for word in latter if word.text in struck and not overlaps(spans, word.start, word.end)]
    were, known = Counter(word.text for word in readable), set(readable)
    now = Counter(word.text for word in exposed)
    return united(_seconds(word) for word in exposed if now[word.text] > were[word.text] and word not in known)


def carried(
    before: Iterable[Fields], after: Iterable[Fields], struck: Iterable[Sequence[float]], new: Iterable[Span]
) -> list[Span]:
    """Returns what has to be struck, too, so that words of a text that are struck are so in another one of the same.

    Both are compared around the edges of `new` spans, which are among those `struck`. A word of the other text that
    is not struck is taken for a struck one where it stands among the same words, in the place of it, or, spelt like
    it, within DRIFT of it.
    """
    struck = list(struck)
    former, latter = _InTime(_spoken(before)), _InTime(_spoken(after))
    found = set[_Spoken]()
    for start, end in new:
        windows = [(start, end)] if end - start < AROUND else [(start, start), (end, end)]
        for first, last in windows:
            place = first - AROUND, last + AROUND
            found.update(_taken_for_struck(former.between(*place), latter.between(*place), struck))
    return united(_seconds(word) for word in found)


def spelt_alike(
    before: Iterable[Fields], after: Iterable[Fields], struck: Iterable[Sequence[float]], apart: float
) -> list[Span]:
    """Returns when the other text of two, which are in two languages, has words spelt like struck ones: names, numbers.

    They are those that are not struck, at most `apart` seconds from a word spelt so that is.
    """
    struck = list(struck)
    times = defaultdict[str, list[Span]](list)
    for word in _spoken(before):
        if overlaps(struck, word.start, word.end):
            times[word.text].append((word.start - apart, word.end + apart))
    near = {text: united(spans) for text, spans in times.items()}
    readable = (word for word in _spoken(after) if word.text in near and not overlaps(struck, word.start, word.end))
    return united(_seconds(word) for word in readable if overlaps(near[word.text], word.start, word.end))


def _taken_for_struck(former: list[_Spoken], latter: list[_Spoken], spans: list[Sequence[float]]) -> Iterator[_Spoken]:
    hidden = [overlaps(spans, word.start, word.end) for word in former]
    struck = [word for word, is_hidden in zip(former, hidden, strict=True) if is_hidden]
    if not struck:
        return
    for word, stands_for in _aligned(former, latter):
        if overlaps(spans, word.start, word.end):
            continue
        instead = [former[place] for place in stands_for if hidden[place]]
        same = any(one.text == word.text for one in instead)
        known = not instead and any(former[place].text == word.text for place in stands_for)
        like = instead if instead else [] if known else [one for one in struck if one.text == word.text]
        if same or any(one.start - DRIFT <= word.end and word.start <= one.end + DRIFT for one in like):
            yield word


def _aligned(former: list[_Spoken], latter: list[_Spoken]) -> Iterator[tuple[_Spoken, range]]:
    """Yields the words of the latter text, each with the places of those in the former one that it may stand for."""
    if max(len(former), len(latter)) > MOST_ALIGNED:
        yield from ((word, range(0)) for word in latter)
        return
    was, now = [word.text for word in former], [word.text for word in latter]
    for kind, i, until, j, end in SequenceMatcher(None, was, now, autojunk=False).get_opcodes():
        for place in range(j, end):
            yield latter[place], range(i + place - j, i + place - j + 1) if kind == "equal" else range(i, until)


class _InTime:
    """Words in the order of their times."""

    def __init__(self, words: Iterable[_Spoken]) -> None:
        self._words = sorted(words, key=attrgetter("start"))
        self._longest = max((word.end - word.start for word in self._words), default=0.0)

    def between(self, first: float, last: float) -> list[_Spoken]:
        """Returns the words of which a part lies between two times."""
        start = bisect_left(self._words, first - self._longest, key=attrgetter("start"))
        end = bisect_right(self._words, last, key=attrgetter("start"))
        return [word for word in self._words[start:end] if word.end >= first]


def _seconds(word: _Spoken) -> Span:
    more = max(0.0, SHORTEST_STRIKE - (word.end - word.start)) / 2
    return max(0.0, word.start - more), word.end + more


def _spoken(segments: Iterable[Fields]) -> Iterator[_Spoken]:
    """Yields words without case and punctuation, with their times or else those of their segment."""
    for fields in segments:
        text = fields["text"].strip()
        for word in words_of(text, fields["words"], fields["start"], fields["end"]):
            for unit in line_break_units(text[word.first : word.last]):
                if plain := "".join(c for c in unit.casefold() if unicodedata.category(c)[0] in "LNM"):
                    yield _Spoken(plain, word.start, word.end)

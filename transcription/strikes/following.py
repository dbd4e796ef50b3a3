"""Struck words that a correction moved to where nothing is struck: they stay struck there."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from transcription.scripts import line_break_units
from transcription.strikes.places import SHORTEST_STRIKE, words_of
from transcription.strikes.spans import Span, overlaps, united

Fields = dict[str, Any]


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

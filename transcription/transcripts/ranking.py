"""The order in which a transcript is best proofread: passages, those first whose words are most likely wrong.

A passage is a run of words of one segment, or speech without text. How likely a word is wrong is a logistic function
of how unlikely the model found it, the next one and its segment. Its coefficients were fitted on recordings with known
texts: `python -m benchmarks.proofreading --fit`; docs/proofreading.md has what it reaches.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from transcription.engine.types import Span
from transcription.models import Segment
from transcription.scripts import count_words
from transcription.segments.word_places import placed_words
from transcription.transcripts.doubts import Kind, doubts_of

Coefficients = Sequence[float]

WORD_COEFFICIENTS = (-3.94, 2.21, 0.6, 2.39)
"""Of 1, and of the figures that `word_figures` returns."""

SEGMENT_COEFFICIENTS = (-3.58, 4.27)
"""Of 1 and of the average log-probability, negative: where words were not timed."""

SUSPICIOUS = 0.15
"""From this chance on a word belongs to a passage of such words; the rest of a segment is read together."""

JOINED = 0.5
"""Beside the likeliest word of a passage are those of at least this share of its chance. Otherwise words that are
probably right would be visited before others that are probably wrong."""

LEAST_PROBABILITY = 0.001
"""Less tells no more."""

LONGEST_REST = 12
"""Words of a passage in which none is suspicious."""

FLOORS: dict[Kind, float] = {
    "repetition": 0.9,
    "no_voice": 0.9,
    "stock_phrase": 0.9,
    "guess": 0.5,
    "no_speech": 0.5,
}
"""The least chance of each word of a segment with such a doubt. Chosen, not fitted: these are rare."""

GAP_CHANCE = 0.95
"""Of speech without text: the detector is sure of it, but not of its being words."""

WORDS_PER_SECOND = 2.5
"""Of speech."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of a transcript that is proofread at once.

    segment: None where there is speech without text. first, last: characters of the segment's trimmed text, from and
    to. start, end: seconds. words: how many there are. chance: that one of its words is wrong, the mean of all.
    kinds: the segment's doubts.
    """

    segment: Segment | None
    first: int
    last: int
    start: float
    end: float
    words: int
    chance: float
    kinds: tuple[Kind, ...] = ()


@dataclass(frozen=True, slots=True)
class _Word:
    """A word's place in the text, its seconds and the chance that it is wrong."""

    first: int
    last: int
    start: float
    end: float
    chance: float

    @property
    def is_suspicious(self) -> bool:
        return self.chance >= SUSPICIOUS


def ranked(
    segments: Iterable[Segment], gaps: Iterable[Span] = (), coefficients: Coefficients = WORD_COEFFICIENTS
) -> list[Passage]:
    """Returns the passages of a transcript, the likeliest to be wrong first.

    gaps: the seconds of missed speech. coefficients: of `word_figures`, as WORD_COEFFICIENTS.
    """
    found = [passage for segment in segments for passage in passages_of(segment, coefficients)]
    found += [Passage(None, 0, 0, start, end, 0, GAP_CHANCE) for start, end in gaps]
    return sorted(found, key=lambda passage: (-passage.chance, passage.start))


def doubtful_words(segments: Iterable[Segment], gaps: Iterable[Span] = ()) -> float:
    """Returns how many words are probably wrong, or missing."""
    found = ranked(segments, gaps)
    return sum(
        passage.chance * (passage.words if passage.segment else WORDS_PER_SECOND * (passage.end - passage.start))
        for passage in found
    )


def passages_of(segment: Segment, coefficients: Coefficients = WORD_COEFFICIENTS) -> Iterator[Passage]:
    """Yields the passages of a segment, in order. Each word is in one of them."""
    text = segment.text.strip()
    kinds = tuple(doubt.kind for doubt in doubts_of(segment))
    floor = max((FLOORS.get(kind, 0.0) for kind in kinds), default=0.0)
    words = _words(segment, floor, coefficients)
    if not words or floor:
        chance = max(floor, _chance(SEGMENT_COEFFICIENTS, (-segment.avg_logprob,)))
        yield Passage(segment, 0, len(text), segment.start, segment.end, count_words(text), chance, kinds)
        return
    runs = list(_runs(words))
    for number, run in enumerate(runs):
        first = run[0].first if number else 0
        last = runs[number + 1][0].first if number + 1 < len(runs) else len(text)
        chance = sum(word.chance for word in run) / len(run)
        part = text[first:last]
        end = first + len(part.rstrip())
        yield Passage(segment, first, end, run[0].start, run[-1].end, count_words(part), chance, kinds)


def word_figures(segment: Segment, number: int) -> tuple[float, float, float]:
    """Returns what tells whether a word is wrong: figures of the word at `number` of its segment.

    How unlikely it was, how unlikely the next word of the segment was, and how unlikely the segment's tokens were on
    average, as negative log-probabilities.
    """
    words = segment.words
    following = words[number + 1] if number + 1 < len(words) else {}
    return _unlikely(words[number]), _unlikely(following), -segment.avg_logprob


def _unlikely(word: dict[str, Any]) -> float:
    """Returns the negative log-probability of all tokens of a word; of their mean where it was heard before both
    probabilities were kept, or by a server that does not tell."""
    probability = min(float(word.get(name, 1.0)) for name in ("probability", "joint_probability"))
    return -math.log(max(LEAST_PROBABILITY, probability))


def _words(segment: Segment, floor: float, coefficients: Coefficients) -> list[_Word]:
    places = list(placed_words(segment))
    if len(places) < len(segment.words):
        return []
    chances = [max(floor, _chance(coefficients, word_figures(segment, at))) for at in range(len(places))]
    return [
        _Word(first, last, word["start"], word["end"], chance)
        for (first, last, word), chance in zip(places, chances, strict=True)
    ]


def _runs(words: Sequence[_Word]) -> Iterator[list[_Word]]:
    """Yields the words in runs: suspicious ones, around the likeliest of each run to be wrong, and the rest."""
    likeliest: dict[int, int] = {}
    for at in sorted(range(len(words)), key=lambda at: -words[at].chance):
        if at in likeliest or not words[at].is_suspicious:
            continue
        least = max(SUSPICIOUS, JOINED * words[at].chance)
        for side in (range(at, len(words)), range(at - 1, -1, -1)):
            for beside in side:
                if beside in likeliest or words[beside].chance < least:
                    break
                likeliest[beside] = at
    for peak, group in groupby(range(len(words)), key=likeliest.get):
        run = [words[at] for at in group]
        length = LONGEST_REST if peak is None else len(run)
        yield from (run[at : at + length] for at in range(0, len(run), length))


def _chance(coefficients: Coefficients, figures: Sequence[float]) -> float:
    first, *others = coefficients
    return 1.0 / (1.0 + math.exp(-first - sum(a * b for a, b in zip(others, figures, strict=True))))

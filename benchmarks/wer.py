"""Word error rate, and whether a difference between two systems could be chance."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from whisper.normalizers import BasicTextNormalizer, EnglishTextNormalizer

RESAMPLES = 10_000
NUMBERS = {
    "es": "uno dos tres cuatro cinco seis siete ocho nueve diez",
    "fr": "un deux trois quatre cinq six sept huit neuf dix",
    "hi": "एक दो तीन चार पांच छह सात आठ नौ दस",
    "it": "uno due tre quattro cinque sei sette otto nove dieci",
    "ja": "一 二 三 四 五 六 七 八 九 十",
    "pl": "jeden dwa trzy cztery pięć sześć siedem osiem dziewięć dziesięć",
    "pt": "um dois três quatro cinco seis sete oito nove dez",
    "zh": "一 二 三 四 五 六 七 八 九 十",
}
"""The words for 1 to 10, for which Whisper writes figures."""

FIGURES = re.compile("10|[1-9]")
BRACKETS = str.maketrans("", "", "[]()")
_normalized = EnglishTextNormalizer()
_normalized_basic = BasicTextNormalizer()


@dataclass(frozen=True)
class Errors:
    """Word errors of one clip, and the words of its reference."""

    wrong: int
    words: int


def errors(reference: str, heard: str) -> Errors:
    """Substitutions, insertions and deletions after openai-whisper's normaliser of English.

    It leaves out what is in brackets: those of a reference, which are spoken, are taken away before.
    """
    expected, found = _normalized(reference.translate(BRACKETS)).split(), _normalized(heard).split()
    return Errors(_distance(expected, found), len(expected))


def character_errors(reference: str, heard: str) -> Errors:
    """The same of characters instead of words, for other languages, after openai-whisper's normaliser of these."""
    expected, found = (list(_normalized_basic(text).replace(" ", "")) for text in (reference, heard))
    return Errors(_distance(expected, found), len(expected))


def spelled(text: str, language: str) -> str:
    """Writes the numbers from 1 to 10 as words, also those that stand in a row without spaces; English as it is."""
    words = NUMBERS.get(language, "").split()
    return FIGURES.sub(lambda figure: f" {words[int(figure[0]) - 1]} ", text) if words else text


def rate(clips: Sequence[Errors]) -> float:
    return sum(clip.wrong for clip in clips) / max(1, sum(clip.words for clip in clips))


def difference(ours: Sequence[Errors], theirs: Sequence[Errors]) -> tuple[float, float]:
    """95 % interval of our rate less theirs, over the same clips: a paired bootstrap."""
    wrong = np.array([(a.wrong, b.wrong) for a, b in zip(ours, theirs, strict=True)])
    words = np.array([clip.words for clip in ours])
    picks = np.random.default_rng(0).integers(0, len(words), (RESAMPLES, len(words)))
    totals = wrong[picks].sum(axis=1)
    differences = (totals[:, 0] - totals[:, 1]) / words[picks].sum(axis=1)
    low, high = np.percentile(differences, [2.5, 97.5])
    return float(low), float(high)


def _distance(expected: Sequence[str], found: Sequence[str]) -> int:
    """Levenshtein's, over words."""
    row = list(range(len(found) + 1))
    for i, word in enumerate(expected, 1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(found, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (word != other))
    return row[-1]

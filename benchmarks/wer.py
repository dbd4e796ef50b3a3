"""Word error rate, and whether a difference between two systems could be chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from whisper.normalizers import BasicTextNormalizer, EnglishTextNormalizer

RESAMPLES = 10_000
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

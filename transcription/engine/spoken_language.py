"""Decides the language of a window."""

from __future__ import annotations

from collections.abc import Collection

from transcription.engine.backend import Language, Work
from transcription.engine.types import SAMPLE_RATE

CLEAR = 0.7
"""The probability from which on another language than the one before is accepted."""

TIMES_LIKELIER = 4.0
"""How many times more probable than the one before it must be."""

UNLIKELY, PLAUSIBLE = 0.05, 0.4
"""If the one before is less probable than the first number, another is accepted from the second on."""

ENOUGH_SECONDS = 2.0
"""Seconds of sound below which the language does not change: names and exclamations are often foreign."""


def among(found: Language, allowed: Collection[str]) -> Language:
    """Returns the most probable of the allowed languages, with its probability among these; of all without any."""
    chances = {code: chance for code, chance in _chances(found).items() if code in allowed}
    total = sum(chances.values())
    if not total:
        return found
    return Language.likeliest({code: chance / total for code, chance in chances.items()})


def followed(found: Language, before: Language, work: Work) -> Language:
    """Returns the detected language if it clearly differs from the one before, else that one, with its probability."""
    chance = _chances(found).get(before.code, 0.0)
    least = PLAUSIBLE if chance < UNLIKELY else CLEAR
    clear = found.probability >= max(least, TIMES_LIKELIER * chance)
    return found if clear and _sounding(work) >= ENOUGH_SECONDS else Language(before.code, chance)


def _sounding(work: Work) -> float:
    """Returns the seconds of the window in which somebody may speak."""
    window = work.window
    silent = (min(end, window.end) - max(start, window.start) for start, end in window.non_speech)
    return len(window.samples) / SAMPLE_RATE - sum(seconds for seconds in silent if seconds > 0)


def _chances(found: Language) -> dict[str, float]:
    return dict(found.chances) or {found.code: found.probability}

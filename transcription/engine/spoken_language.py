"""Which language a window is taken to be spoken in."""

from __future__ import annotations

from collections.abc import Collection

from transcription.engine.backend import Language, Work
from transcription.engine.types import SAMPLE_RATE

CLEAR = 0.7
"""From this probability on another language than the one so far is believed."""

TIMES_LIKELIER = 4.0
"""So many times likelier than the one so far it must be besides."""

UNLIKELY, PLAUSIBLE = 0.05, 0.4
"""Where the one so far is less likely than the first, another is believed from the second on."""

ENOUGH_SECONDS = 2.0
"""In less sound than this nobody is taken to change the language: names and exclamations are foreign often enough."""


def among(found: Language, allowed: Collection[str]) -> Language:
    """The likeliest of the allowed languages, its probability among these; the likeliest of all without any."""
    chances = {code: chance for code, chance in _chances(found).items() if code in allowed}
    total = sum(chances.values())
    if not total:
        return found
    code = max(chances, key=lambda code: chances[code])
    return Language(code, chances[code] / total, {code: chance / total for code, chance in chances.items()})


def followed(found: Language, before: Language, work: Work) -> Language:
    """The language found, where it is clearly another one than before; otherwise that one, as likely as it is here."""
    chance = _chances(found).get(before.code, 0.0)
    least = PLAUSIBLE if chance < UNLIKELY else CLEAR
    clear = found.probability >= max(least, TIMES_LIKELIER * chance)
    return found if clear and _sounding(work) >= ENOUGH_SECONDS else Language(before.code, chance)


def _sounding(work: Work) -> float:
    """Seconds of the window in which somebody may speak."""
    window = work.window
    silent = (min(end, window.end) - max(start, window.start) for start, end in window.non_speech)
    return len(window.samples) / SAMPLE_RATE - sum(seconds for seconds in silent if seconds > 0)


def _chances(found: Language) -> dict[str, float]:
    return dict(found.chances) or {found.code: found.probability}

"""Whisper's languages by the names that people call them, in the language of the page (Unicode's CLDR, from Babel)."""

from __future__ import annotations

from functools import cache

from babel import Locale
from django.utils.translation import get_language, to_locale
from django.utils.translation import gettext as _

from transcription.engine.languages import LANGUAGES

JAVANESE = {"jw": "jv"}
"""Whisper calls it by a code that ISO 639 has withdrawn."""


def language_name(code: str) -> str:
    """Returns the name for a code; the code itself for an unknown one."""
    return _names(get_language() or "en").get(code, code)


def language_choices() -> list[tuple[str, str]]:
    """Returns detection first, then every language by its name."""
    named = sorted(_names(get_language() or "en").items(), key=lambda choice: choice[1])
    return [("", _("Detect language")), *named]


@cache
def _names(page_language: str) -> dict[str, str]:
    known = Locale.parse(to_locale(page_language)).languages
    return {code: str(known[JAVANESE.get(code, code)]) for code in LANGUAGES}

"""Whisper's languages by the names that people call them, in the language of the page (Unicode's CLDR, from Babel)."""

from __future__ import annotations

from functools import cache

from babel import Locale
from django.utils.translation import get_language, to_locale
from django.utils.translation import gettext as _

from transcription.engine.languages import LANGUAGES

FIRST_IN_CHINESE = {code: place for place, code in enumerate(["zh", "yue", "en", "ja", "ko", "fr", "de", "es", "ru"])}
JAVANESE = {"jw": "jv"}
"""Whisper calls it by a code that ISO 639 has withdrawn."""


def language_name(code: str) -> str:
    """Returns the name for a code; the code itself for an unknown one."""
    return _names(get_language() or "en").get(code, code)


def language_choices() -> list[tuple[str, str]]:
    """Returns detection first, then every language by its name; in Chinese after those that are spoken most there."""
    named = sorted(_names(get_language() or "en").items(), key=_place)
    return [("", _("Detect language")), *named]


def _place(choice: tuple[str, str]) -> tuple[int, bytes]:
    """Returns the place of a code and name. GB 18030 has the usual characters in the order of their pinyin."""
    code, name = choice
    if (get_language() or "").startswith("zh"):
        return FIRST_IN_CHINESE.get(code, len(FIRST_IN_CHINESE)), name.encode("gb18030")
    return 0, name.encode()


@cache
def _names(page_language: str) -> dict[str, str]:
    known = Locale.parse(to_locale(page_language)).languages
    return {code: str(known[JAVANESE.get(code, code)]) for code in LANGUAGES}

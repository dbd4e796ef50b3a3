"""Whisper's languages: what codes and names callers may use for them."""

from __future__ import annotations

import babel.core

from transcription.engine.languages import NAMES

LANGUAGES = NAMES
"""The English names by code."""

BY_NAME: dict[str, str] = {name: code for code, name in LANGUAGES.items()}
WHISPERS_CODES = {"nb": "no", "fil": "tl", "jv": "jw"}
"""Where CLDR prefers another code than Whisper's."""


def language_code(text: str) -> str | None:
    """Returns the code for a code or an English name in any case, with a region or without; None for an unknown one."""
    lowered = text.strip().lower().replace("_", "-")
    if lowered in BY_NAME:
        return BY_NAME[lowered]
    code = lowered.split("-", 1)[0]
    return code if code in LANGUAGES else None


def from_three_letters(code: str) -> str:
    """Returns Whisper's code for one of ISO 639-2 or 639-3, as media files have it; any other code as it is."""
    modern: str = babel.core.get_global("language_aliases").get(code.lower(), code)
    return WHISPERS_CODES.get(modern, modern)

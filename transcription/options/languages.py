"""Whisper's languages: what codes and names callers may use for them."""

from __future__ import annotations

import babel.core

from transcription.engine.languages import LANGUAGES as CODES

NAMES = """
    english, chinese, german, spanish, russian, korean, french, japanese, portuguese, turkish, polish, catalan,
    dutch, arabic, swedish, italian, indonesian, hindi, finnish, vietnamese, hebrew, ukrainian, greek, malay,
    czech, romanian, danish, hungarian, tamil, norwegian, thai, urdu, croatian, bulgarian, lithuanian, latin,
    maori, malayalam, welsh, slovak, telugu, persian, latvian, bengali, serbian, azerbaijani, slovenian,
    kannada, estonian, macedonian, breton, basque, icelandic, armenian, nepali, mongolian, bosnian, kazakh,
    albanian, swahili, galician, marathi, punjabi, sinhala, khmer, shona, yoruba, somali, afrikaans, occitan,
    georgian, belarusian, tajik, sindhi, gujarati, amharic, yiddish, lao, uzbek, faroese, haitian creole,
    pashto, turkmen, nynorsk, maltese, sanskrit, luxembourgish, myanmar, tibetan, tagalog, malagasy, assamese,
    tatar, hawaiian, lingala, hausa, bashkir, javanese, sundanese, cantonese
"""
LANGUAGES: dict[str, str] = dict(zip(CODES, " ".join(NAMES.split()).split(", "), strict=True))
"""The English names by code, as openai-whisper's tokenizer has them (v20250625): verbose_json tells them."""

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

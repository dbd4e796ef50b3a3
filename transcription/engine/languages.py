"""The hundred languages of Whisper, in the order of their tokens (openai-whisper, tokenizer.py)."""

from __future__ import annotations

LANGUAGES: tuple[str, ...] = (
    "en", "zh", "de", "es", "ru", "ko", "fr", "ja", "pt", "tr", "pl", "ca", "nl", "ar", "sv", "it", "id", "hi",
    "fi", "vi", "he", "uk", "el", "ms", "cs", "ro", "da", "hu", "ta", "no", "th", "ur", "hr", "bg", "lt", "la",
    "mi", "ml", "cy", "sk", "te", "fa", "lv", "bn", "sr", "az", "sl", "kn", "et", "mk", "br", "eu", "is", "hy",
    "ne", "mn", "bs", "kk", "sq", "sw", "gl", "mr", "pa", "si", "km", "sn", "yo", "so", "af", "oc", "ka", "be",
    "tg", "sd", "gu", "am", "yi", "lo", "uz", "fo", "ht", "ps", "tk", "nn", "mt", "sa", "lb", "my", "bo", "tl",
    "mg", "as", "tt", "haw", "ln", "ha", "ba", "jw", "su", "yue",
)  # fmt: skip
"""Cantonese, the last one, is known to large-v3, to turbo, and to what is made from them."""

_ENGLISH = """
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

NAMES: dict[str, str] = dict(zip(LANGUAGES, " ".join(_ENGLISH.split()).split(", "), strict=True))
"""The English names by code, as openai-whisper's tokenizer has them (v20250625): verbose_json tells them."""

OLDER = ("tiny", "base", "small", "medium")
"""Models that don't know Cantonese."""


ENGLISH = ("distil-large-v3.5",)
"""Models that have tokens for other languages and were trained on English alone."""


def languages_of(model: str) -> tuple[str, ...]:
    """Returns the languages that a model of this name knows; for an operator's own, those that it may know."""
    if model.endswith(".en") or model in ENGLISH:
        return ("en",)
    return LANGUAGES[:-1] if model in OLDER else LANGUAGES


def code_of(language: str) -> str | None:
    """Returns the code for a code or an English name, as verbose_json may have either; None for an unknown one."""
    wanted = language.strip().lower()
    return wanted if wanted in NAMES else next((code for code, name in NAMES.items() if name == wanted), None)

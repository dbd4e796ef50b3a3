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

OLDER = ("tiny", "base", "small", "medium")
"""Models that don't know it."""


ENGLISH = ("distil-large-v3.5",)
"""Models that have tokens for other languages and were trained on English alone."""


def languages_of(model: str) -> tuple[str, ...]:
    """The languages that a model of this name knows; of an operator's own, those that it may know."""
    if model.endswith(".en") or model in ENGLISH:
        return ("en",)
    return LANGUAGES[:-1] if model in OLDER else LANGUAGES

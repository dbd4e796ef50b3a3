"""Properties of scripts: which have no spaces between words, where lines may break, and how wide characters are."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

# Han, kana, bopomofo, Thai, Lao, Tibetan, Burmese and Khmer. Korean has spaces.
UNSPACED = (
    "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3100-\u312f\u31a0-\u31bf"
    "\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U000323af"
)
OPENING = "([{<«“‘„（［｛〈《「『【〔〖〝"
CLOSING = ")]}>»”’…!%,.:;?、。，．：；？！）］｝〉》」』】〕〗〟％ー々ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮ"
_ONE = re.compile(f"[{UNSPACED}]")
# A character of an unspaced script or a run of others, with the punctuation and marks that no line break separates.
_LINE_BREAK_UNIT = re.compile(
    rf"\s*[{re.escape(OPENING)}\u0e40-\u0e44\u0ec0-\u0ec4]*(?:[{UNSPACED}][\u0300-\u036f\u3099\u309a]*|[^\s{UNSPACED}]+)"
    rf"(?:[{re.escape(CLOSING)}\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ecd\u102b-\u103e\u17b4-\u17d3])*"
)
_WORD = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]+(?:['’.,-][^\W{UNSPACED}]+)*")
_TAIL = re.compile(r"\s*\S+")
_JOINERS = "\u200c\u200d"
_LAST_OF_LETTERS = 0x203B  # emoji, which a zero-width joiner makes one of, come after it
_EXTENDS = re.compile("[\uff9e\uff9f\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]")
_FLAGS = "".join(map(chr, range(0x1F1E6, 0x1F200)))
_FLAG = re.compile(f"[{_FLAGS}]")
_HANGUL_LEADING = re.compile("[\u1100-\u115f\ua960-\ua97c]")
_HANGUL = re.compile("[\u1100-\u11ff\ua960-\ua97c\uac00-\ud7a3\ud7b0-\ud7fb]")
_HANGUL_FOLLOWING = re.compile("[\u1160-\u11ff\ud7b0-\ud7fb]")

_TURNS = "\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def is_unspaced(character: str) -> bool:
    return _ONE.match(character) is not None


def line_break_units(text: str) -> list[str]:
    """Splits a text where a line may break; each unit has its leading space, and joined they are the text.

    Units are words in scripts with spaces, elsewhere characters with adjacent punctuation.
    """
    units, at = [], 0
    text = text.rstrip()
    while at < len(text):
        match = _LINE_BREAK_UNIT.match(text, at) or _TAIL.match(text, at)
        assert match is not None
        units.append(match[0])
        at = match.end()
    return units


def count_words(text: str) -> int:
    """Returns how many words a text has; in scripts without spaces, characters."""
    return len(_WORD.findall(text))


def width(text: str) -> int:
    """Returns the columns in a monospaced font: two for a full-width character, none for a combining mark."""
    return sum(map(_width, text))


@lru_cache(maxsize=4096)
def _width(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def is_grapheme_boundary(text: str, position: int) -> bool:
    """Returns whether a person sees two characters where `position` divides the text.

    Of Unicode's rules (UAX #29, extended grapheme clusters) those for marks, joined emoji, flags and Hangul.
    """
    if not 0 < position < len(text):
        return True
    before, after = text[position - 1], text[position]
    if after in _JOINERS or unicodedata.category(after) in ("Mn", "Me", "Mc") or _EXTENDS.match(after):
        return False
    if before == "\u200d" and ord(after) > _LAST_OF_LETTERS:
        return False
    if _FLAG.match(before) and _FLAG.match(after):
        flags = len(text[:position]) - len(text[:position].rstrip(_FLAGS))
        return flags % 2 == 0
    return not (_HANGUL_LEADING.match(before) and _HANGUL.match(after)) and not _HANGUL_FOLLOWING.match(after)


def one_line(text: str) -> str:
    """Returns the text on one line, without control characters and lone surrogates."""
    plain = "".join(" " if c in "\t\n\r\v\f\u2028\u2029\x85" else c for c in text)
    return " ".join("".join(c for c in plain if unicodedata.category(c) not in ("Cc", "Cs")).split())


def without_turns(text: str) -> str:
    """Returns the text without what turns the direction of whatever stands after it."""
    return "".join(c for c in text if c not in _TURNS)


def with_leading_space(text: str) -> str:
    """Adds a space before the first word if its script has spaces, as Whisper does in segments."""
    return text if not text or is_unspaced(text[0]) else f" {text}"

"""How text is compared: without case and accents, word by word, in every script.

A folded line has a space before each unit: a word where words have spaces (found by its beginning), else a run of
an unspaced script such as Chinese (found by any part of it).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from transcription.scripts import UNSPACED, is_unspaced

LONGEST_WORD = 40
MAX_TERMS = 10
LONGEST_QUERY = 200
# Accents of Latin, Greek and Cyrillic; Hebrew points; Arabic short vowels. Not the vowels of Indic scripts, nor kana's.
_MARKS = re.compile("[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u065f\u0670]")
_UNITS = re.compile(rf"[{UNSPACED}]+|[^\s{UNSPACED}]+")


class _Separators(dict[int, int | None]):
    """What is neither letter, digit nor mark becomes a space; what has no look at all goes."""

    def __missing__(self, code: int) -> int | None:
        category = unicodedata.category(chr(code))
        self[code] = None if category == "Cf" else ord(" ") if category[0] in "PSZC" else code
        return self[code]


_separators = _Separators()


@dataclass(frozen=True)
class Term:
    """One unit of a query."""

    text: str
    is_unspaced: bool

    @property
    def pattern(self) -> str:
        """What a folded line contains that has it."""
        return self.text if self.is_unspaced else f" {self.text}"


def fold(text: str) -> str:
    bare = _MARKS.sub("", unicodedata.normalize("NFKD", text).casefold())
    plain = unicodedata.normalize("NFKC", bare).translate(_separators)
    return "".join(f" {unit}" for unit in _UNITS.findall(plain))


def terms_of(query: str) -> list[Term]:
    """All of them have to be found. Empty where a query has neither letters nor digits."""
    units = dict.fromkeys(fold(query[:LONGEST_QUERY]).split())
    return [Term(unit[:LONGEST_WORD], is_unspaced(unit)) for unit in units][:MAX_TERMS]


def tokens_of(folded: str) -> Iterator[str]:
    """What an index holds of it: words, and every pair of neighbours of an unspaced run, the last one alone too."""
    for unit in dict.fromkeys(folded.split()):
        if is_unspaced(unit):
            yield from (unit[at : at + 2] for at in range(len(unit)))
        else:
            yield unit[:LONGEST_WORD]

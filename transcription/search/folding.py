"""Normalises text for comparison: without case and accents, split into units.

A folded line has a space before each unit: a word in scripts with spaces (matched by its beginning), else a run of an
unspaced script such as Chinese (matched anywhere).
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
UNITS = re.compile(rf"[{UNSPACED}]+|[^\s{UNSPACED}]+")


class _Separators(dict[int, int | None]):
    """Maps what is neither letter, digit nor mark to a space, and removes format characters."""

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
        """The substring of folded lines that match."""
        return self.text if self.is_unspaced else f" {self.text}"


def fold(text: str) -> str:
    bare = _MARKS.sub("", unicodedata.normalize("NFKD", text).casefold())
    plain = unicodedata.normalize("NFKC", bare).translate(_separators)
    return "".join(f" {unit}" for unit in UNITS.findall(plain))


def terms_of(query: str) -> list[Term]:
    """Returns the terms of a query, all of which must match; none without letters or digits."""
    units = dict.fromkeys(fold(query[:LONGEST_QUERY]).split())
    return [Term(unit[:LONGEST_WORD], is_unspaced(unit)) for unit in units][:MAX_TERMS]


def tokens_of(folded: str) -> Iterator[str]:
    """Yields a folded text's index tokens: words, and the overlapping pairs and last character of unspaced runs."""
    for unit in dict.fromkeys(folded.split()):
        if is_unspaced(unit):
            yield from (unit[at : at + 2] for at in range(len(unit)))
        else:
            yield unit[:LONGEST_WORD]

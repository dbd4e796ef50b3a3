"""Replaces the spellings of terms in a text, in one pass and without regular expressions of users."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from transcription.scripts import is_grapheme_boundary, is_unspaced
from transcription.transcripts.rewrites import Rewrite, rewritten

SHORTEST = 2
SHORTEST_WITH_PLURAL = 4  # "ask" is no plural of "as"
SENTENCE_ENDS = ".!?…"
_QUOTES = "\"'“‘«(¿¡ "


def folded(text: str) -> str:
    """Returns the text in small letters, each at its place: those that become several characters stay."""
    lower = text.lower()
    return lower if len(lower) == len(text) else "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


@dataclass
class Spellings:
    """What is replaced by what, by the folded spelling. The longest that stands at a place is taken.

    `lengths` are those of the spellings that begin with two characters, the longest first.
    """

    terms: dict[str, str] = field(default_factory=dict)
    lengths: dict[str, list[int]] = field(default_factory=dict)

    @classmethod
    def of(cls, *lists: Iterable[tuple[str, Iterable[str]]]) -> Spellings:
        """Takes lists of terms with their spellings; what a later list says of a word counts before an earlier one's.

        A term itself stays as it stands, unless it is one of its spellings.
        """
        found: dict[str, str] = {}
        for terms in lists:
            replaced, kept = dict[str, str](), list[str]()
            for text, spellings in terms:
                kept.append(folded(text))
                replaced |= {folded(spelling): text for spelling in spellings}
            found |= dict.fromkeys(kept, "") | replaced
        lengths: dict[str, set[int]] = {}
        for spelling in found:
            lengths.setdefault(spelling[:SHORTEST], set()).add(len(spelling))
        return cls(found, {start: sorted(sizes, reverse=True) for start, sizes in lengths.items()})

    def replaced(self, text: str) -> str:
        """Returns the text with the terms instead of their spellings."""
        return rewritten(text, self.rewrites(text))

    def rewrites(self, text: str) -> Iterator[Rewrite]:
        """Yields where spellings stand, and the terms that replace them.

        Whole words match, in any case, also with a plural's s, which stays; where a script has no spaces, anything
        is a word. The first letter of a sentence stays large.
        """
        plain, at = folded(text), 0
        lengths, last = self.lengths, len(text) - SHORTEST + 1
        while at < last:
            sizes = lengths.get(plain[at : at + SHORTEST])
            size = self._size_at(plain, at, sizes) if sizes else 0
            if not size:
                at += 1
                continue
            if term := self.terms[plain[at : at + size]]:
                yield Rewrite(at, at + size, _capitalised(term) if _begins_sentence(text, at) else term)
            at += size

    def _size_at(self, plain: str, at: int, sizes: list[int]) -> int:
        if not (_is_border(plain, at) and is_grapheme_boundary(plain, at)):
            return 0
        for size in sizes:
            end = at + size
            if plain[at:end] in self.terms and is_grapheme_boundary(plain, end) and _ends_word(plain, end, size):
                return size
        return 0


def _is_border(text: str, at: int) -> bool:
    """Returns whether a word may end and another one begin before this place."""
    if not 0 < at < len(text):
        return True
    before, after = text[at - 1], text[at]
    return not (_is_letter(before) and _is_letter(after)) or is_unspaced(before) or is_unspaced(after)


def _ends_word(text: str, end: int, size: int) -> bool:
    if _is_border(text, end):
        return True
    is_plural = text[end] == "s" and size >= SHORTEST_WITH_PLURAL
    return is_plural and _is_border(text, end + 1)


def _is_letter(character: str) -> bool:
    return character.isalnum() or character == "_"


def _begins_sentence(text: str, at: int) -> bool:
    """Returns whether a large letter stands here because a sentence begins; a segment may begin in one."""
    before = text[:at].rstrip(_QUOTES) if at and not text[at - 1].isalnum() else text[:at]
    return text[at].isupper() and (not before or before[-1] in SENTENCE_ENDS)


def _capitalised(term: str) -> str:
    """Returns the term with a large first letter, unless it has large ones of its own, as "iPhone" has."""
    return term[0].upper() + term[1:] if term == term.lower() else term

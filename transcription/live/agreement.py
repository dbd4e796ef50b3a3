"""Which words of a live text are firm: LocalAgreement-2, after Macháček, Dabre and Bojar (2023).

Each pass hears the same sound from its beginning, a little more of it each time. Words that two passes in a row agree
on are firm, the last word that a pass hears excepted: it may be cut. Firm words never change. Sound is let go at the
end of a firm segment, as Whisper's timestamps bound it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from transcription.scripts import line_break_units


@dataclass(frozen=True, slots=True)
class Heard:
    """A segment that a pass heard; `end` is in seconds from the beginning of the sound that the pass was given."""

    end: float
    text: str


@dataclass(frozen=True, slots=True)
class Progress:
    """What a pass changed.

    added: the text that became firm. partial: what follows it, and may change. cut: seconds of sound, from its
    beginning, whose text is firm: the next pass is given what comes after; 0.0 where all is to be heard again.
    """

    added: str
    partial: str
    cut: float = 0.0


class Agreement:
    """The text of one turn, pass by pass."""

    def __init__(self) -> None:
        self.firm = ""
        self._firm_ahead: list[str] = []  # the firm words of the sound that the next pass hears
        self._unsure: list[str] = []  # what the last pass heard after them

    @property
    def past(self) -> str:
        """The firm text of the sound that was let go."""
        return self.firm[: max(0, len(self.firm) - sum(map(len, self._firm_ahead)))]

    @property
    def text(self) -> str:
        """All text so far, what may change included."""
        return self.firm + "".join(self._unsure)

    def take(self, segments: Sequence[Heard], may_cut: bool = False) -> Progress:
        """Takes what a pass heard. With `may_cut` the sound of firm segments is let go, if another one follows."""
        words, ends = _words(segments)
        known = _continuation(self._firm_ahead, words)
        firm = known + _agreeing(self._unsure, words[known:-1])
        added = self._advance(words, known, firm)
        cut = self._let_go(segments[:-1], ends) if may_cut else 0.0
        return Progress(added, "".join(self._unsure), cut)

    def take_full(self, segments: Sequence[Heard], seconds: float) -> Progress:
        """Takes what a pass heard that was given as many `seconds` as one can hear, and more sound waits.

        All of it is firm, but for the last of several segments, which is heard again with what follows.
        """
        words, ends = _words(segments)
        known = _continuation(self._firm_ahead, words)
        added = self._advance(words, known, max(known, ends[-2]) if len(ends) > 1 else len(words))
        cut = self._let_go(segments[:-1], ends)
        if not cut:
            added += self._advance([*self._firm_ahead, *self._unsure], len(self._firm_ahead), len(words))
            self._firm_ahead, cut = [], seconds
        return Progress(added, "".join(self._unsure), cut)

    def finish(self, segments: Sequence[Heard]) -> str:
        """Takes what the last pass heard, all of which is firm. Returns the text that it adds."""
        words, _ends = _words(segments)
        return self._advance(words, _continuation(self._firm_ahead, words), len(words))

    def _advance(self, words: list[str], known: int, firm: int) -> str:
        """Makes the words from `known` to `firm` firm, and returns their text."""
        added = "".join(words[known:firm])
        self.firm += added
        self._firm_ahead, self._unsure = words[:firm], words[firm:]
        return added

    def _let_go(self, segments: Sequence[Heard], ends: Sequence[int]) -> float:
        """Forgets the words of the segments that are firm; returns the second at which the last of them ends, or 0."""
        firm = [place for place in range(len(segments)) if ends[place] <= len(self._firm_ahead)]
        if not firm or segments[firm[-1]].end <= 0.0:
            return 0.0
        del self._firm_ahead[: ends[firm[-1]]]
        return segments[firm[-1]].end


def words_of(text: str) -> list[str]:
    """Returns the words of a text, each with the space before it: together they are the text, but for spaces after.

    In a script without spaces a character is a word. Punctuation belongs to the word before it, with which it stands or
    falls: passes set it differently.
    """
    words = list[str]()
    for unit in line_break_units(text):
        if words and not _letters(unit):
            words[-1] += unit
        else:
            words.append(unit)
    return words


def _words(segments: Sequence[Heard]) -> tuple[list[str], list[int]]:
    """Returns the words of all segments, and after how many of them each segment ends."""
    parts = [words_of(segment.text) for segment in segments]
    return [word for part in parts for word in part], list(accumulate(map(len, parts)))


def _agreeing(before: Sequence[str], now: Sequence[str]) -> int:
    """Returns how many words, from the first, are the same; neither case nor punctuation counts."""
    pairs = zip(before, now, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if _plain(a) != _plain(b)), min(len(before), len(now)))


def _continuation(firm: Sequence[str], heard: Sequence[str]) -> int:
    """Returns how many of the heard words are the firm ones, which may be heard a little differently now.

    That beginning of `heard` is taken that has the least edit distance from `firm`; of several the one whose length
    differs least.
    """
    firm, heard = [_plain(word) for word in firm], [_plain(word) for word in heard]
    row = list(range(len(heard) + 1))
    for number, word in enumerate(firm, 1):
        diagonal, row[0] = row[0], number
        for at, other in enumerate(heard, 1):
            diagonal, row[at] = row[at], min(row[at] + 1, row[at - 1] + 1, diagonal + (word != other))
    return min(range(len(row)), key=lambda at: (row[at], abs(at - len(firm))))


def _plain(word: str) -> str:
    """Returns a word's letters and digits, in one case; the whole word where it has none."""
    return _letters(word) or word.strip()


def _letters(word: str) -> str:
    return "".join(character for character in word.casefold() if unicodedata.category(character)[0] in "LMN")

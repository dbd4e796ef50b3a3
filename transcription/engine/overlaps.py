"""Merges the texts of windows of fast mode that overlap, as they do where a recording is cut without a pause.

What both windows hear is matched word by word; up to one of the matched words the first text counts, after it the
second. The last word of the first window and the first word of the second may be cut off: the other one has each of
them whole. Words without times get estimated ones, which are good near the cut.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import takewhile

from transcription.engine.types import Segment, WindowResult, Word
from transcription.scripts import is_unspaced, line_break_units

TIMED_SECONDS, ESTIMATED_SECONDS = 0.5, 1.0
"""By how much the times of a word that is heard twice may differ, where both are the model's, and where not."""

SECONDS_PER_LETTER = 0.1
"""The longest that a letter takes where times are estimated: the rest of a segment is pauses."""

LETTERS_PER_CHARACTER, LETTERS_PER_FIGURE = 3, 4
"""How many letters a character of a script without spaces and a figure count as: 1455 is said as three words."""

STEP_SECONDS = 0.001
"""Words begin at least so much after one another, so that a time tells them apart."""

ALIKE = 0.6
"""The share of letters from which on two words may be the same, one of them misheard: difflib's for close matches."""

LEAST_SCORE = 0.3
"""Of two words that are taken for the same: 1 for equal ones and ALIKE for others, less by the distance in time."""

EDGE_SECONDS = 0.15
"""How much earlier than the cut a word that it cuts off may seem to end."""

SHORTEST_PART = 2
"""Letters that are at least left of a word that is cut off."""


@dataclass(frozen=True, slots=True)
class _Unit:
    """A word of a segment, or a character of a script without spaces, with its seconds in the recording.

    place: its start, later than that of the word before. key: what is compared. word: the model's word, if it was asked
    for words.
    """

    segment: int
    text: str
    start: float
    end: float
    place: float
    key: str
    word: Word | None = None


_Pair = tuple[int, int]
"""The places of the same word in two texts."""


class OverlapMerger:
    """Takes a recording's results in order and yields them with each word said once.

    A result overlaps with the next if its `last_speech` is later than its `end`, at which the next begins. It is
    yielded with a `last_speech` before which the text of the next is left out.

    said_until: that of the last result which an earlier attempt saved, 0 without one.
    """

    def __init__(self, said_until: float = 0.0) -> None:
        self._said_until = said_until
        self._held: WindowResult | None = None

    def merged(self, results: Iterable[WindowResult]) -> Iterator[WindowResult]:
        """Yields the results that no later one can change; holds one that overlaps until the next has come."""
        for result in results:
            if self._held is not None:
                before, self._held = _without_repetition(self._held, result), None
                self._said_until = before.last_speech
                yield before
            result, self._said_until = _from(result, self._said_until), 0.0
            if result.last_speech > result.end:
                self._held = result
            else:
                yield result

    def rest(self) -> Iterator[WindowResult]:
        """Yields the result that is held, if there is one. Call it after the last result."""
        if self._held is not None:
            yield self._held
        self._held = None


def _from(result: WindowResult, said_until: float) -> WindowResult:
    """Returns a result without the words that begin before a time."""
    if said_until <= result.start:
        return result
    left = [unit for unit in _units(result, anchor_at_end=False) if unit.place >= said_until]
    segments = [
        _with_units(segment, [unit for unit in left if unit.segment == number], are_last=True)
        for number, segment in enumerate(result.segments)
    ]
    return replace(result, segments=tuple(segment for segment in segments if segment.text))


def _without_repetition(before: WindowResult, after: WindowResult) -> WindowResult:
    """Returns a result without the words that the next one has, too, and with the `last_speech` of `OverlapMerger`."""
    units, following = _units(before, anchor_at_end=True), _units(after, anchor_at_end=False)
    tolerance = TIMED_SECONDS if _are_timed(units) and _are_timed(following) else ESTIMATED_SECONDS
    earliest = after.start - tolerance
    known = next((at for at, unit in enumerate(units) if unit.end > earliest), len(units))
    heard = units[known:]
    latest = before.last_speech + tolerance
    again = list(takewhile(lambda unit: unit.start < latest, following))
    kept, said = _switch(heard, again, _pairs(heard, again, tolerance), before.last_speech)
    left = [*units[:known], *heard[:kept]]
    if kept and said and left[-1].key == again[said - 1].key:
        # The second text knows what follows the word, the first one what comes before.
        left[-1] = _punctuated(left[-1], again[said - 1])
    begin = following[said].start if said < len(following) else math.inf
    segments = [
        _ending_by(_with_units(segment, [unit for unit in left if unit.segment == number], are_last=False), begin)
        for number, segment in enumerate(before.segments)
    ]
    kept_segments = tuple(segment for segment in segments if segment.text)
    return replace(before, segments=kept_segments, last_speech=_place_after(following, said) if said else after.start)


def _place_after(following: Sequence[_Unit], said: int) -> float:
    """Returns a time that tells so many words of a text from those after them."""
    return following[said].place if said < len(following) else following[-1].place + STEP_SECONDS


def _switch(heard: Sequence[_Unit], again: Sequence[_Unit], pairs: Sequence[_Pair], cut: float) -> tuple[int, int]:
    """Returns how many words of the first text count, and how many of the second do not.

    Of all matches the one is taken that leaves the most words, and of these the last one: the first text knows what
    was said before. Its last word gives way to a longer one if the cut is in it.
    """
    if not pairs:
        return _switch_by_time(heard, again, cut)
    first, second = max(pairs, key=lambda pair: (pair[0] - pair[1], pair[0]))
    if first + 1 == len(heard) and _is_cut_off(heard[first], again[second], cut):
        return first, second
    rest, following = heard[first + 1 :], again[second + 1 :]
    if rest and following and rest[-1].end > cut - EDGE_SECONDS:
        rest = rest[:-1]
    if (first, second) != pairs[-1] or not rest:
        return first + 1, second + 1
    kept, said = _switch_by_time(rest, following, cut)
    return first + 1 + kept, second + 1 + said


def _switch_by_time(heard: Sequence[_Unit], again: Sequence[_Unit], cut: float) -> tuple[int, int]:
    """Returns the same where the texts agree on nothing: the second begins where the first ends, at the cut at most."""
    if not heard or not again:
        return len(heard), 0
    last = heard[-1]
    end = min(cut, last.end) - EDGE_SECONDS
    said = next((at for at, unit in enumerate(again) if unit.end > end), len(again))
    if said == len(again) or last.start + last.end <= 2 * _latest_start(again[said]):
        return len(heard), said
    return (len(heard) - 1, said) if _is_cut_off(last, again[said], cut) else (len(heard), said + 1)


def _is_cut_off(last: _Unit, other: _Unit, cut: float) -> bool:
    """Returns whether the last word of the first text is the beginning of what the second has there."""
    return last.end > cut - EDGE_SECONDS and last.key != other.key and len(last.key) <= len(other.key)


def _latest_start(unit: _Unit) -> float:
    """Returns when a word begins, at the latest: the first one of a window seems to begin with the window."""
    return max(unit.start, unit.end - SECONDS_PER_LETTER * (1 + sum(_letters(character) for character in unit.key)))


def _pairs(heard: Sequence[_Unit], again: Sequence[_Unit], tolerance: float) -> list[_Pair]:
    """Returns the words that are the same in both texts: the longest common subsequence, weighted by time."""
    best: list[list[tuple[float, list[_Pair]]]] = [[(0.0, [])] * (len(again) + 1) for _ in range(len(heard) + 1)]
    for first in reversed(range(len(heard))):
        for second in reversed(range(len(again))):
            best[first][second] = max(best[first + 1][second], best[first][second + 1], key=lambda known: known[0])
            score = _likeness(heard, again, first, second) - _distance(heard[first], again[second]) / tolerance
            total = score + best[first + 1][second + 1][0]
            if score >= LEAST_SCORE and total > best[first][second][0]:
                best[first][second] = total, [(first, second), *best[first + 1][second + 1][1]]
    return best[0][0][1]


def _likeness(heard: Sequence[_Unit], again: Sequence[_Unit], first: int, second: int) -> float:
    """Returns 1 for the same word, ALIKE for one that may be it, cut off or misheard, and 0 for another."""
    one, other = heard[first].key, again[second].key
    if one == other:
        return 1.0
    if min(len(one), len(other)) < SHORTEST_PART:
        return 0.0
    is_cut_off = (first + 1 == len(heard) and other.startswith(one)) or (second == 0 and one.endswith(other))
    return ALIKE if is_cut_off or SequenceMatcher(None, one, other, autojunk=False).ratio() >= ALIKE else 0.0


def _distance(one: _Unit, other: _Unit) -> float:
    """Returns the seconds between two words, of which one may lack its beginning or its end."""
    return min(abs(one.start - other.start), abs(one.end - other.end))


def _are_timed(units: Iterable[_Unit]) -> bool:
    return all(unit.word for unit in units)


def _units(result: WindowResult, anchor_at_end: bool) -> list[_Unit]:
    """Returns the words of a result, each of which begins after the one before.

    anchor_at_end: whether times that are estimated are right at the ends of segments, or at their starts.
    """
    units: list[_Unit] = []
    for number, segment in enumerate(result.segments):
        for text, start, end, word in _timed(segment, anchor_at_end):
            earliest = (units[-1].place if units else result.start) + STEP_SECONDS
            units.append(_Unit(number, text, start, end, max(start, earliest), _key(text), word))
    return units


def _timed(segment: Segment, anchor_at_end: bool) -> Iterator[tuple[str, float, float, Word | None]]:
    """Yields the words of a segment with their times; joined they are its text without trailing spaces."""
    if segment.words and "".join(word.word for word in segment.words) == segment.text:
        yield from ((word.word, word.start, word.end, word) for word in segment.words)
        return
    texts = line_break_units(segment.text)
    letters = [sum(_letters(character) for character in text) for text in texts]
    each = min(SECONDS_PER_LETTER, (segment.end - segment.start) / max(1, sum(letters)))
    at = segment.end - each * sum(letters) if anchor_at_end else segment.start
    for text, count in zip(texts, letters, strict=True):
        yield text, at, at + each * count, None
        at += each * count


def _letters(character: str) -> int:
    """Returns how many letters take as long to say as a character."""
    if character.isdigit():
        return LETTERS_PER_FIGURE
    return LETTERS_PER_CHARACTER if is_unspaced(character) else 1


def _key(text: str) -> str:
    """Returns a word without case and punctuation; punctuation alone is itself."""
    return "".join(letter for letter in text.casefold() if letter.isalnum()) or text.strip()


def _punctuated(unit: _Unit, like: _Unit) -> _Unit:
    """Returns a word with the punctuation that follows another spelling of it."""
    text = unit.text[: _last_letter(unit.text)] + like.text[_last_letter(like.text) :]
    return replace(unit, text=text, word=replace(unit.word, word=text) if unit.word else None)


def _last_letter(text: str) -> int:
    """Returns the place after the last letter or figure, the text's length without one."""
    return next((at for at in range(len(text), 0, -1) if text[at - 1].isalnum()), len(text))


def _with_units(segment: Segment, units: Sequence[_Unit], are_last: bool) -> Segment:
    """Returns a segment with its first or its last words only, whose tokens are not known; without any it has no text.

    are_last: whether they are the last ones.
    """
    text = "".join(unit.text for unit in units)
    if text == segment.text.rstrip() or not units:
        return replace(segment, text=segment.text if text else "")
    start, end = (units[0].start, segment.end) if are_last else (segment.start, units[-1].end)
    words = tuple(unit.word for unit in units if unit.word)
    return replace(segment, start=start, end=max(start, end), text=text, tokens=(), words=words)


def _ending_by(segment: Segment, latest: float) -> Segment:
    """Returns a segment that neither begins nor ends after a time, and whose words don't."""
    if segment.end <= latest:
        return segment
    words = tuple(replace(word, start=min(word.start, latest), end=min(word.end, latest)) for word in segment.words)
    return replace(segment, start=min(segment.start, latest), end=latest, words=words)

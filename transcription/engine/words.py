"""Words with their times, in the segments they belong to: whisper.timing.add_word_timestamps, 20250625."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from transcription.engine.backend import WordTiming
from transcription.engine.segments import Piece
from transcription.engine.types import Word

PREPENDED = "\"'“¿([{-"
APPENDED = "\"'.。,，!！?？:：”)]}、"
SENTENCE_ENDS = ".。!！?？"
LONGEST_MEDIAN = 0.7
FAR = 0.5
"""Seconds by which a segment's own time may differ from its words' before it counts for more."""


@dataclass(slots=True)
class _Spoken:
    """A word in the making; seconds in the recording."""

    word: str
    start: float
    end: float
    probability: float


def text_tokens(pieces: Sequence[Piece], eot: int) -> list[int]:
    """The tokens to align: all pieces' text, without timestamps."""
    return [token for piece in pieces for token in piece.tokens if token < eot]


def add_words(pieces: Sequence[Piece], timings: list[WordTiming], eot: int, offset: float, last_speech: float) -> None:
    """Give each piece its words, and bring its ends to theirs.

    timings: the alignment of the pieces' text, in seconds from `offset`, the window's start in the
    recording; changed in place. last_speech: when the last word before the window ended.
    """
    typical = _typical_seconds(timings)
    _cut_long_at_sentence_ends(timings, 2 * typical)
    merge_punctuation(timings)
    remaining = iter(timings)
    for piece in pieces:
        words = _words_of(piece, remaining, eot, offset)
        if words:
            _cut_long_after_pause(words, typical, last_speech)
            _reconcile_start(piece, words, typical)
            _reconcile_end(piece, words, typical)
            last_speech = piece.end
        piece.words = [Word(word.word, word.start, word.end, word.probability) for word in words]


def last_word_end(pieces: Sequence[Piece]) -> float | None:
    """Seconds at which the last word ended; None where there are no pieces."""
    ends = (word.end for piece in reversed(pieces) for word in reversed(piece.words))
    return next(ends, pieces[-1].end if pieces else None)


def merge_punctuation(timings: list[WordTiming]) -> None:
    """Put punctuation to the word it belongs to; what was merged stays behind without text or tokens."""
    following = len(timings) - 1
    for at in range(len(timings) - 2, -1, -1):
        previous, word = timings[at], timings[following]
        if previous.word.startswith(" ") and previous.word.strip() in PREPENDED:
            word.word, word.tokens = previous.word + word.word, previous.tokens + word.tokens
            previous.word, previous.tokens = "", []
        else:
            following = at
    previous_at = 0
    for at in range(1, len(timings)):
        previous, word = timings[previous_at], timings[at]
        if not previous.word.endswith(" ") and word.word in APPENDED:
            previous.word, previous.tokens = previous.word + word.word, previous.tokens + word.tokens
            word.word, word.tokens = "", []
        else:
            previous_at = at


def _typical_seconds(timings: Sequence[WordTiming]) -> float:
    durations = [timing.end - timing.start for timing in timings if timing.end != timing.start]
    return min(LONGEST_MEDIAN, float(median(durations))) if durations else 0.0


def _cut_long_at_sentence_ends(timings: Sequence[WordTiming], longest: float) -> None:
    if not any(timing.end != timing.start for timing in timings):
        return
    for previous, timing in pairwise(timings):
        if timing.end - timing.start > longest:
            if timing.word in SENTENCE_ENDS:
                timing.end = timing.start + longest
            elif previous.word in SENTENCE_ENDS:
                timing.start = timing.end - longest


def _words_of(piece: Piece, remaining: Iterator[WordTiming], eot: int, offset: float) -> list[_Spoken]:
    """Take the piece's share of the alignment, by counting tokens."""
    wanted = sum(token < eot for token in piece.tokens)
    words = []
    while wanted > 0 and (timing := next(remaining, None)) is not None:
        wanted -= len(timing.tokens)
        if timing.word:
            start, end = round(offset + timing.start, 2), round(offset + timing.end, 2)
            words.append(_Spoken(timing.word, start, end, timing.probability))
    return words


def _cut_long_after_pause(words: Sequence[_Spoken], typical: float, last_speech: float) -> None:
    """The first and second word after a pause last no longer than twice the typical word."""
    longest, first = 2 * typical, words[0]
    second = words[1] if len(words) > 1 else None
    if first.end - last_speech <= 4 * typical:
        return
    if not (first.end - first.start > longest or (second and second.end - first.start > 2 * longest)):
        return
    if second and second.end - second.start > longest:
        first.end = second.start = max(second.end / 2, second.end - longest)
    first.start = max(0.0, first.end - longest)


def _reconcile_start(piece: Piece, words: Sequence[_Spoken], typical: float) -> None:
    """The segment's own start counts where the first word is too long, and the word's elsewhere."""
    first = words[0]
    if piece.start < first.end and piece.start - FAR > first.start:
        first.start = max(0.0, min(first.end - typical, piece.start))
    else:
        piece.start = first.start


def _reconcile_end(piece: Piece, words: Sequence[_Spoken], typical: float) -> None:
    last = words[-1]
    if piece.end > last.start and piece.end + FAR < last.end:
        last.end = max(last.start + typical, piece.end)
    else:
        piece.end = last.end

"""Assigns timed words to segments, as whisper.timing.add_word_timestamps of openai-whisper 20250625 does."""

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
"""Seconds at which openai-whisper caps the median duration of a word."""
FAR = 0.5
"""Seconds by which a segment may be shorter than its words at either end; beyond, the segment's time counts."""


@dataclass(slots=True)
class _Spoken:
    """A word whose times may still change, in seconds of the recording."""

    word: str
    start: float
    end: float
    probability: float


def text_tokens(pieces: Sequence[Piece], eot: int) -> list[int]:
    """Returns the tokens to align: those of all pieces, without timestamps."""
    return [token for piece in pieces for token in piece.tokens if token < eot]


def add_words(pieces: Sequence[Piece], timings: list[WordTiming], eot: int, offset: float, last_speech: float) -> None:
    """Sets the words of each piece, and moves its start and end to those of its words.

    timings: the alignment of `text_tokens`, in seconds of the window; changed in place. offset: the window's start,
    in seconds of the recording. last_speech: the end of the last word before the window, in seconds of the recording.
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
    """Returns the end of the last word in seconds of the recording, or None if there are no pieces."""
    ends = (word.end for piece in reversed(pieces) for word in reversed(piece.words))
    return next(ends, pieces[-1].end if pieces else None)


def merge_punctuation(timings: list[WordTiming]) -> None:
    """Appends punctuation to the word before it, or prepends it to the word after it, in place.

    The entry of merged punctuation remains, without text and tokens. The algorithm is whisper.timing's
    merge_punctuations.
    """
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
    """Returns the median duration of a word, at most LONGEST_MEDIAN."""
    durations = [timing.end - timing.start for timing in timings if timing.end != timing.start]
    return min(LONGEST_MEDIAN, float(median(durations))) if durations else 0.0


def _cut_long_at_sentence_ends(timings: Sequence[WordTiming], longest: float) -> None:
    """Shortens the words at the end and at the beginning of sentences to `longest` seconds, in place."""
    if not any(timing.end != timing.start for timing in timings):
        return
    for previous, timing in pairwise(timings):
        if timing.end - timing.start > longest:
            if timing.word in SENTENCE_ENDS:
                timing.end = timing.start + longest
            elif previous.word in SENTENCE_ENDS:
                timing.start = timing.end - longest


def _words_of(piece: Piece, remaining: Iterator[WordTiming], eot: int, offset: float) -> list[_Spoken]:
    """Returns the piece's words: takes timings until they cover its tokens."""
    wanted = sum(token < eot for token in piece.tokens)
    words = []
    while wanted > 0 and (timing := next(remaining, None)) is not None:
        wanted -= len(timing.tokens)
        if timing.word:
            start, end = round(offset + timing.start, 2), round(offset + timing.end, 2)
            words.append(_Spoken(timing.word, start, end, timing.probability))
    return words


def _cut_long_after_pause(words: Sequence[_Spoken], typical: float, last_speech: float) -> None:
    """Shortens the first two words after a pause to twice the typical duration, in place."""
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
    """Moves the first word's start to the piece's if it is far earlier, otherwise the piece's start to the word's."""
    first = words[0]
    if piece.start < first.end and piece.start - FAR > first.start:
        first.start = max(0.0, min(first.end - typical, piece.start))
    else:
        piece.start = first.start


def _reconcile_end(piece: Piece, words: Sequence[_Spoken], typical: float) -> None:
    """Moves the last word's end to the piece's if it is far later, otherwise the piece's end to the word's."""
    last = words[-1]
    if piece.end > last.start and piece.end + FAR < last.end:
        last.end = max(last.start + typical, piece.end)
    else:
        piece.end = last.end

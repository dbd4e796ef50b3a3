"""Assigns timed words to segments, as whisper.timing.add_word_timestamps of openai-whisper 20250625 does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from statistics import median

from transcription.engine.backend import WordTiming
from transcription.engine.segments import SegmentDraft
from transcription.engine.types import Word

PREPENDED_PUNCTUATION = "\"'“¿([{-"
APPENDED_PUNCTUATION = "\"'.。,，!！?？:：”)]}、"
SENTENCE_ENDS = ".。!！?？"
MAX_MEDIAN_SECONDS = 0.7
"""Seconds at which openai-whisper caps the median duration of a word."""
MAX_DEVIATION_SECONDS = 0.5
"""Seconds by which a segment may be shorter than its words at either end; beyond, the segment's time counts."""


def text_tokens(drafts: Sequence[SegmentDraft], eot: int) -> list[int]:
    """Returns the tokens to align: those of all drafts, without timestamps."""
    return [token for draft in drafts for token in draft.tokens if token < eot]


def add_words(
    drafts: Sequence[SegmentDraft], timings: list[WordTiming], eot: int, offset: float, last_speech: float
) -> None:
    """Sets the words of each draft, and moves its start and end to those of its words.

    timings: the alignment of `text_tokens`, in seconds of the window; changed in place. offset: the window's start,
    in seconds of the recording. last_speech: the end of the last word before the window, in seconds of the recording.
    """
    typical = _typical_seconds(timings)
    _cut_long_at_sentence_ends(timings, 2 * typical)
    merge_punctuation(timings)
    remaining = iter(timings)
    for draft in drafts:
        words = _words_of(draft, remaining, eot, offset)
        if words:
            _cut_long_after_pause(words, typical, last_speech)
            _reconcile_start(draft, words, typical)
            _reconcile_end(draft, words, typical)
            last_speech = draft.end
        draft.words = [
            Word(word.word, word.start, word.end, word.probability, word.joint_probability) for word in words
        ]


def last_word_end(drafts: Sequence[SegmentDraft]) -> float | None:
    """Returns the end of the last word in seconds of the recording, or None if there are no drafts."""
    ends = (word.end for draft in reversed(drafts) for word in reversed(draft.words))
    return next(ends, drafts[-1].end if drafts else None)


def merge_punctuation(timings: list[WordTiming]) -> None:
    """Appends punctuation to the word before it, or prepends it to the word after it, in place.

    The entry of merged punctuation remains, without text and tokens. The algorithm is whisper.timing's
    merge_punctuations.
    """
    following = len(timings) - 1
    for at in range(len(timings) - 2, -1, -1):
        previous, word = timings[at], timings[following]
        if previous.word.startswith(" ") and previous.word.strip() in PREPENDED_PUNCTUATION:
            word.word, word.tokens = previous.word + word.word, previous.tokens + word.tokens
            previous.word, previous.tokens = "", []
        else:
            following = at
    previous_at = 0
    for at in range(1, len(timings)):
        previous, word = timings[previous_at], timings[at]
        if not previous.word.endswith(" ") and word.word in APPENDED_PUNCTUATION:
            previous.word, previous.tokens = previous.word + word.word, previous.tokens + word.tokens
            word.word, word.tokens = "", []
        else:
            previous_at = at


def _typical_seconds(timings: Sequence[WordTiming]) -> float:
    """Returns the median duration of a word, at most MAX_MEDIAN_SECONDS."""
    durations = [timing.end - timing.start for timing in timings if timing.end != timing.start]
    return min(MAX_MEDIAN_SECONDS, float(median(durations))) if durations else 0.0


def _cut_long_at_sentence_ends(timings: Sequence[WordTiming], longest: float) -> None:
    """Shortens the words at the end and at the beginning of sentences to `longest` seconds, in place."""
    for previous, timing in pairwise(timings):
        if timing.end - timing.start > longest:
            if timing.word in SENTENCE_ENDS:
                timing.end = timing.start + longest
            elif previous.word in SENTENCE_ENDS:
                timing.start = timing.end - longest


def _words_of(draft: SegmentDraft, remaining: Iterator[WordTiming], eot: int, offset: float) -> list[WordTiming]:
    """Returns the draft's words, in seconds of the recording: takes timings until they cover its tokens."""
    wanted = sum(token < eot for token in draft.tokens)
    words = []
    while wanted > 0 and (timing := next(remaining, None)) is not None:
        wanted -= len(timing.tokens)
        if timing.word:
            start, end = round(offset + timing.start, 2), round(offset + timing.end, 2)
            words.append(replace(timing, start=start, end=end))
    return words


def _cut_long_after_pause(words: Sequence[WordTiming], typical: float, last_speech: float) -> None:
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


def _reconcile_start(draft: SegmentDraft, words: Sequence[WordTiming], typical: float) -> None:
    """Moves the first word's start to the draft's if it is far earlier, otherwise the draft's start to the word's."""
    first = words[0]
    if draft.start < first.end and draft.start - MAX_DEVIATION_SECONDS > first.start:
        first.start = max(0.0, min(first.end - typical, draft.start))
    else:
        draft.start = first.start


def _reconcile_end(draft: SegmentDraft, words: Sequence[WordTiming], typical: float) -> None:
    """Moves the last word's end to the draft's if it is far later, otherwise the draft's end to the word's."""
    last = words[-1]
    if draft.end > last.start and draft.end + MAX_DEVIATION_SECONDS < last.end:
        last.end = max(last.start + typical, draft.end)
    else:
        draft.end = last.end

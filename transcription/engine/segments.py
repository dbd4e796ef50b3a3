"""Splits the tokens of a window into timed segments.

In exact mode the next window begins at the last unfinished segment, as in openai-whisper's transcribe(). In fast
mode that segment is kept, as the next window does not overlap this one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from transcription.engine.backend import Vocabulary
from transcription.engine.types import FRAMES_PER_SECOND, TIMESTAMPS_PER_SECOND, Span, Word

SECONDS_PER_TIMESTAMP = 1 / TIMESTAMPS_PER_SECOND
FRAMES_PER_TIMESTAMP = 2
MIN_SECONDS = 0.01
"""Seconds; shorter drafts of a fast window are dropped."""


@dataclass(slots=True)
class SegmentDraft:
    """A segment whose start and end, in seconds of the recording, may still be moved to those of its words."""

    start: float
    end: float
    tokens: tuple[int, ...]
    text: str
    words: list[Word] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether it has no duration or no text; openai-whisper clears such segments."""
        return self.start == self.end or not self.text.strip()


@dataclass(frozen=True, slots=True)
class TokenSplit:
    """The drafts of a window.

    advance: frames from the window's start to that of the next one in exact mode. finished: whether the window ends
    with a single timestamp, after which nothing is said.
    """

    drafts: list[SegmentDraft]
    advance: int
    finished: bool


def split_exactly(tokens: Sequence[int], seek: int, frames: int, vocabulary: Vocabulary) -> TokenSplit:
    """Splits a window's tokens as whisper.transcribe.transcribe() of openai-whisper 20250625 does.

    seek: the window's first frame in the recording. frames: how many frames of the recording the window holds, up to
    3000, of 10 ms each.
    """
    begin = vocabulary.timestamp_begin
    offset = seek / FRAMES_PER_SECOND
    finished = [token >= begin for token in tokens[-2:]] == [False, True]
    cuts = _cuts(tokens, begin)
    if not cuts:
        return TokenSplit([_whole(tokens, offset, frames, vocabulary)], frames, finished)
    if finished:
        cuts.append(len(tokens))
    drafts = [_between(tokens[a:b], offset, vocabulary) for a, b in pairwise([0, *cuts])]
    advance = frames if finished else (tokens[cuts[-1] - 1] - begin) * FRAMES_PER_TIMESTAMP
    return TokenSplit(drafts, advance, finished)


def _between(tokens: Sequence[int], offset: float, vocabulary: Vocabulary) -> SegmentDraft:
    """Returns the draft of tokens that begin and end with a timestamp."""
    start, end = ((token - vocabulary.timestamp_begin) * SECONDS_PER_TIMESTAMP for token in (tokens[0], tokens[-1]))
    return SegmentDraft(offset + start, offset + end, tuple(tokens), vocabulary.decode(tokens))


def _whole(tokens: Sequence[int], offset: float, frames: int, vocabulary: Vocabulary) -> SegmentDraft:
    """Returns all tokens as one draft, which ends at their last timestamp, or with the window if there is none."""
    last = max((token for token in tokens if token >= vocabulary.timestamp_begin), default=vocabulary.timestamp_begin)
    position = last - vocabulary.timestamp_begin
    duration = position * SECONDS_PER_TIMESTAMP if position else frames / FRAMES_PER_SECOND
    return SegmentDraft(offset, offset + duration, tuple(tokens), vocabulary.decode(tokens))


def without_non_speech(drafts: Sequence[SegmentDraft], non_speech: Sequence[Span]) -> list[SegmentDraft]:
    """Returns the drafts that are not within a span of `non_speech`; those that begin or end within one are shortened.

    non_speech: (start, end) in seconds of the recording, in order. Changes the drafts in place.
    """
    kept = list(drafts)
    for start, end in non_speech:
        kept = [draft for draft in kept if not (start <= draft.start and draft.end <= end)]
        for draft in kept:
            if draft.start < start < draft.end <= end:
                draft.end = start
            elif start <= draft.start < end < draft.end:
                draft.start = end
    return kept


def split_fast(
    tokens: Sequence[int], offset: float, duration: float, vocabulary: Vocabulary, after: float = 0.0
) -> list[SegmentDraft]:
    """Splits a window's tokens at pairs of timestamps; the tokens after the last pair are a draft, too.

    offset: the window's start, in seconds of the recording. duration: the window's length in seconds; no draft ends
    later. after: seconds of the window before which no draft begins.
    """
    edges = [0, *_cuts(tokens, vocabulary.timestamp_begin), len(tokens)]
    drafts = [_clamped(tokens[a:b], offset, duration, vocabulary, after) for a, b in pairwise(edges) if b > a]
    return [draft for draft in drafts if draft.text.strip() and draft.end - draft.start >= MIN_SECONDS]


def _clamped(part: Sequence[int], offset: float, duration: float, vocabulary: Vocabulary, after: float) -> SegmentDraft:
    """Returns the draft of some tokens. Its times lie between `after` and `duration`, which they default to."""
    begin = vocabulary.timestamp_begin
    stamps = [(token - begin) * SECONDS_PER_TIMESTAMP for token in part if token >= begin]
    times = [max(after, min(duration, stamp)) for stamp in stamps]
    opened = part[0] >= begin
    closed = part[-1] >= begin and len(times) > opened
    start = times[0] if opened else after
    end = times[-1] if closed and times[-1] > after else duration
    return SegmentDraft(offset + start, offset + end, tuple(part), vocabulary.decode(part))


def _cuts(tokens: Sequence[int], timestamp_begin: int) -> list[int]:
    """Returns the places between any two adjacent timestamps."""
    return [at for at in range(1, len(tokens)) if min(tokens[at - 1], tokens[at]) >= timestamp_begin]

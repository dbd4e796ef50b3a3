"""From the tokens of a window to timed pieces of text.

Two ways, as there are two modes. In exact mode what the window left unfinished is left to the next
one, as openai-whisper's transcribe() does; in fast mode there is no next one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from transcription.engine.backend import Vocabulary
from transcription.engine.types import FRAMES_PER_SECOND, TIMESTAMPS_PER_SECOND, Span, Word

SECONDS_PER_TIMESTAMP = 1 / TIMESTAMPS_PER_SECOND
FRAMES_PER_TIMESTAMP = 2
SHORTEST = 0.01
"""Seconds below which a piece of a fast window is no speech, whatever its text."""

TextOf = Callable[[Sequence[int]], str]


@dataclass(slots=True)
class Piece:
    """A segment in the making; seconds in the recording. Timing its words may still move its ends."""

    start: float
    end: float
    tokens: tuple[int, ...]
    text: str
    words: list[Word] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether openai-whisper clears it: instantaneous, or without text."""
        return self.start == self.end or not self.text.strip()


@dataclass(frozen=True, slots=True)
class Cut:
    """A window's pieces. `advance` is the frames after which exact mode's next window begins.

    `finished` says that the window ends with a single timestamp: nothing was said after it.
    """

    pieces: list[Piece]
    advance: int
    finished: bool


def cut_exactly(tokens: Sequence[int], seek: int, frames: int, vocabulary: Vocabulary) -> Cut:
    """Split a window's tokens as whisper.transcribe.transcribe() does, 20250625.

    seek: the window's first frame in the recording. frames: those it holds of the recording.
    """
    begin = vocabulary.timestamp_begin
    offset = seek / FRAMES_PER_SECOND
    stamps = [token >= begin for token in tokens]
    finished = stamps[-2:] == [False, True]
    cuts = [at for at in range(1, len(tokens)) if stamps[at - 1] and stamps[at]]
    if not cuts:
        return Cut([_whole(tokens, offset, frames, vocabulary)], frames, finished)
    if finished:
        cuts.append(len(tokens))
    pieces = [_between(tokens[a:b], offset, vocabulary) for a, b in pairwise([0, *cuts])]
    advance = frames if finished else (tokens[cuts[-1] - 1] - begin) * FRAMES_PER_TIMESTAMP
    return Cut(pieces, advance, finished)


def _between(tokens: Sequence[int], offset: float, vocabulary: Vocabulary) -> Piece:
    """Tokens from a timestamp to a timestamp."""
    start, end = ((token - vocabulary.timestamp_begin) * SECONDS_PER_TIMESTAMP for token in (tokens[0], tokens[-1]))
    return Piece(offset + start, offset + end, tuple(tokens), vocabulary.decode(tokens))


def _whole(tokens: Sequence[int], offset: float, frames: int, vocabulary: Vocabulary) -> Piece:
    """All tokens as one piece, which ends with the window unless there is a timestamp."""
    last = max((token for token in tokens if token >= vocabulary.timestamp_begin), default=vocabulary.timestamp_begin)
    position = last - vocabulary.timestamp_begin
    duration = position * SECONDS_PER_TIMESTAMP if position else frames / FRAMES_PER_SECOND
    return Piece(offset, offset + duration, tuple(tokens), vocabulary.decode(tokens))


def spoken(pieces: Sequence[Piece], non_speech: Sequence[Span]) -> list[Piece]:
    """The pieces without those that lie in a stretch in which surely nobody speaks; none begins or ends in one."""
    kept = list(pieces)
    for start, end in non_speech:
        kept = [piece for piece in kept if not (start <= piece.start and piece.end <= end)]
        for piece in kept:
            if piece.start < start < piece.end <= end:
                piece.end = start
            elif start <= piece.start < end < piece.end:
                piece.start = end
    return kept


def cut_fast(
    tokens: Sequence[int], offset: float, duration: float, vocabulary: Vocabulary, after: float = 0.0
) -> list[Piece]:
    """Split a window's tokens at pairs of timestamps; what follows the last pair is kept, to the window's end.

    offset: the window's start in the recording; duration: its seconds, no piece ends later; after: its seconds
    before which none begins.
    """
    parts = _parts(tokens, vocabulary.timestamp_begin)
    pieces = [_clamped(part, offset, duration, vocabulary, after) for part in parts]
    return [piece for piece in pieces if piece.text.strip() and piece.end - piece.start >= SHORTEST]


def _clamped(part: Sequence[int], offset: float, duration: float, vocabulary: Vocabulary, after: float) -> Piece:
    begin = vocabulary.timestamp_begin
    stamps = [(token - begin) * SECONDS_PER_TIMESTAMP for token in part if token >= begin]
    times = [max(after, min(duration, stamp)) for stamp in stamps]
    opened = part[0] >= begin
    closed = part[-1] >= begin and len(times) > opened
    start = times[0] if opened else after
    end = times[-1] if closed and times[-1] > after else duration
    return Piece(offset + start, offset + end, tuple(part), vocabulary.decode(part))


def _parts(tokens: Sequence[int], timestamp_begin: int) -> list[Sequence[int]]:
    """Cut between any two neighbouring timestamps."""
    cuts = [
        position
        for position in range(1, len(tokens))
        if tokens[position - 1] >= timestamp_begin and tokens[position] >= timestamp_begin
    ]
    edges = [0, *cuts, len(tokens)]
    return [tokens[a:b] for a, b in pairwise(edges) if b > a]

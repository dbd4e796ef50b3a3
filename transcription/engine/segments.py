"""From the tokens of a window to timed pieces of text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from transcription.engine.backend import Decoded, Piece, Work
from transcription.engine.fallback import is_silence
from transcription.engine.types import Segment, Word

SECONDS_PER_TIMESTAMP = 0.02
FRAMES_PER_SECOND = 100
SHORTEST = 0.01
"""Seconds below which a piece is no speech, whatever its text."""


def pieces(
    tokens: Sequence[int],
    duration: float,
    timestamp_begin: int,
    text_of: Callable[[Sequence[int]], str],
) -> tuple[Piece, ...]:
    """Split a window's tokens at pairs of timestamps, as openai-whisper's transcribe() does.

    duration: seconds of audio in the window; no piece ends later.
    timestamp_begin: the token for 0.00 s; greater ones are timestamps too.
    text_of: text of some tokens, timestamps left out.

    What follows the last pair without a timestamp of its own is kept, up to the window's
    end: openai-whisper would hear it again in its next window, here there is none.
    """
    result = []
    for part in _parts(tokens, timestamp_begin):
        times = [
            min(duration, (token - timestamp_begin) * SECONDS_PER_TIMESTAMP)
            for token in part
            if token >= timestamp_begin
        ]
        opened = part[0] >= timestamp_begin
        closed = part[-1] >= timestamp_begin and len(times) > opened
        start = times[0] if opened else 0.0
        end = times[-1] if closed and times[-1] > 0 else duration
        text = text_of(part)
        if text.strip() and end - start >= SHORTEST:
            result.append(Piece(start, end, tuple(part), text))
    return tuple(result)


def _parts(tokens: Sequence[int], timestamp_begin: int) -> list[Sequence[int]]:
    """Cut between any two neighbouring timestamps."""
    cuts = [
        position
        for position in range(1, len(tokens))
        if tokens[position - 1] >= timestamp_begin and tokens[position] >= timestamp_begin
    ]
    edges = [0, *cuts, len(tokens)]
    return [tokens[a:b] for a, b in pairwise(edges) if b > a]


def segments_of(work: Work, decoded: Decoded) -> tuple[Segment, ...]:
    """The window's segments in the recording's own time; none where nobody speaks."""
    if is_silence(decoded):
        return ()
    return tuple(_segment(work, decoded, piece) for piece in decoded.pieces)


def _segment(work: Work, decoded: Decoded, piece: Piece) -> Segment:
    offset = work.window.start
    return Segment(
        start=round(offset + piece.start, 3),
        end=round(offset + piece.end, 3),
        text=piece.text,
        tokens=piece.tokens,
        temperature=work.temperature,
        avg_logprob=decoded.avg_logprob,
        compression_ratio=decoded.compression_ratio,
        no_speech_prob=decoded.no_speech_prob,
        seek=round(offset * FRAMES_PER_SECOND),
        words=tuple(_moved(word, offset) for word in piece.words),
    )


def _moved(word: Word, offset: float) -> Word:
    return Word(
        word.word,
        round(offset + word.start, 3),
        round(offset + word.end, 3),
        word.probability,
    )

"""Compares a window's text with what the voice detector hears: speech without text, and text without speech."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from transcription.engine.non_speech import non_speech_spans, reaching
from transcription.engine.spans import share_within, without_text
from transcription.engine.types import SAMPLE_RATE, Voice, WindowResult
from transcription.engine.vad import FRAME_SAMPLES

CERTAIN = 0.7
"""The detector's mean probability over a second from which that second is certainly speech."""

RUN_FRAMES = SAMPLE_RATE // FRAME_SAMPLES


def certain_speech(probabilities: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Returns whether each frame of 512 samples is in a second that is certainly speech, of shape (n,).

    probabilities: the detector's, of shape (n,).
    """
    starts = np.zeros(len(probabilities), dtype=np.bool_)
    if len(probabilities) >= RUN_FRAMES:
        means = np.convolve(probabilities, np.full(RUN_FRAMES, 1 / RUN_FRAMES, dtype=np.float32), "valid")
        starts[: len(means)] = means >= CERTAIN
    return reaching(starts, 0, RUN_FRAMES - 1)


def voice_in(probabilities: NDArray[np.float32], offset: float = 0.0) -> Voice:
    """Returns what is certainly speech, and what is none, in frames of which the first begins at `offset` seconds."""
    edges = np.flatnonzero(np.diff(certain_speech(probabilities), prepend=False, append=False))
    times = (offset + edges * FRAME_SAMPLES / SAMPLE_RATE).reshape(-1, 2)
    return Voice(
        speech=tuple((float(start), float(end)) for start, end in times),
        non_speech=non_speech_spans(probabilities, offset) if len(probabilities) else (),
    )


def compared(result: WindowResult, voice: Voice) -> WindowResult:
    """Returns a result with its missed speech, and each segment's share of non-speech."""
    heard = voice.within(result.start, result.end)
    texts = [(segment.start, segment.end) for segment in result.segments]
    shares = [round(share_within(text, heard.non_speech), 3) for text in texts]
    return replace(
        result,
        missed_speech=tuple((round(a, 3), round(b, 3)) for a, b in without_text(heard.speech, texts)),
        segments=tuple(
            replace(segment, non_speech_share=share) for segment, share in zip(result.segments, shares, strict=True)
        ),
    )

"""Finds speech that Whisper passed over: what the voice detector is sure of, and no text covers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from transcription.engine.types import SAMPLE_RATE, Span, Window, WindowResult
from transcription.engine.vad import FRAME_SAMPLES, VoiceDetector

CERTAIN = 0.7
"""The detector's mean probability over a second from which that second is certainly speech."""

RUN_FRAMES = SAMPLE_RATE // FRAME_SAMPLES

TOLERANCE_SECONDS = 0.5
"""Speech so near a text counts as its own: Whisper's timestamps are rounded."""

PADDING_SECONDS = 0.3
"""Of the sound around missed speech that is heard with it."""

MOST_OF_A_WINDOW = 0.9
"""A stretch that is more of its window would be heard as it was."""


def missed_windows(window: Window, result: WindowResult) -> list[Window]:
    """Returns a window for each stretch of a window in fast mode that is certainly speech and has no text.

    What follows the last text is left out: it is the window's tail.
    """
    spans = [(segment.start, segment.end) for segment in result.segments]
    gaps = [(start, end) for start, end in _without_text(spans, window) if end - start >= 1.0]
    if window.is_doubted or not gaps:
        return []
    # Of the whole window: alone, a quiet gap would be amplified until its noise resembles a voice.
    certain = certain_speech(window.samples[: len(window.samples) // FRAME_SAMPLES * FRAME_SAMPLES])
    parts = [_cut(window, *span) for gap in gaps for span in _certain_spans(certain, window.start, *gap)]
    longest = MOST_OF_A_WINDOW * (window.end - window.start)
    return [part for part in parts if part.end - part.start < longest]


def certain_speech(samples: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Returns whether each frame of 512 samples is speech, in a second that is certainly speech, of shape (n,).

    samples: int16 of shape (512 n,).
    """
    probabilities = VoiceDetector().probabilities(samples)
    certain = np.zeros(len(probabilities), dtype=np.bool_)
    if len(probabilities) < RUN_FRAMES:
        return certain
    means = np.convolve(probabilities, np.full(RUN_FRAMES, 1 / RUN_FRAMES, dtype=np.float32), "valid")
    for start in np.flatnonzero(means >= CERTAIN):
        certain[start : start + RUN_FRAMES] = True
    return certain


def _without_text(spans: Iterable[Span], window: Window) -> Iterator[Span]:
    """Yields the stretches before and between texts, TOLERANCE_SECONDS away from them; all of a window without text."""
    done, is_first = window.start, True
    for start, end in sorted(spans):
        yield (done if is_first else done + TOLERANCE_SECONDS), start - TOLERANCE_SECONDS
        done, is_first = max(done, end), False
    if is_first:
        yield window.start, window.end


def _certain_spans(certain: NDArray[np.bool_], offset: float, start: float, end: float) -> Iterator[Span]:
    """Yields the stretches of at least a second between two times, in seconds, that are certainly speech.

    certain: of each frame, of which the first begins at `offset`.
    """
    first, last = (round((at - offset) * SAMPLE_RATE / FRAME_SAMPLES) for at in (start, end))
    edges = np.flatnonzero(np.diff(np.concatenate([[False], certain[first:last], [False]]).astype(np.int8)))
    for a, b in edges.reshape(-1, 2) + first:
        if b - a >= RUN_FRAMES:
            yield offset + a * FRAME_SAMPLES / SAMPLE_RATE, offset + b * FRAME_SAMPLES / SAMPLE_RATE


def _cut(window: Window, start: float, end: float) -> Window:
    """Returns the part of a window between two times, with some sound around it."""
    first = max(0, round((start - PADDING_SECONDS - window.start) * SAMPLE_RATE))
    last = min(len(window.samples), round((end + PADDING_SECONDS - window.start) * SAMPLE_RATE))
    at, until = window.start + first / SAMPLE_RATE, window.start + last / SAMPLE_RATE
    return replace(window, start=at, end=until, samples=window.samples[first:last], tail=None)

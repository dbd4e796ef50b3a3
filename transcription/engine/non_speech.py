"""Finds the stretches of a recording in which the voice detector finds no speech. Whisper invents text there.

The detector misses most singing, and speech under music. A loud stretch is therefore decoded in windows of its own,
without hotwords and prompt, and its text is kept where Whisper is confident.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transcription.engine.types import SAMPLE_RATE, Span
from transcription.engine.vad import BLOCK_FRAMES, FRAME_SAMPLES, VoiceDetector

RUN = 8
"""Frames (0.26 s) over which the detector's probability is averaged: noise causes single high frames."""

PERHAPS_SPEECH = 0.17
"""From this mean on a frame counts as speech. docs/engine.md lists what speech and noise reach."""

CERTAIN_FRAME = 0.5
"""From this probability on a single frame counts as speech: Silero's own threshold."""

PADDING = 16
"""Frames (0.5 s) around speech that count as speech: consonants are quiet, and timestamps are rounded."""

SHORTEST_SECONDS = 1.0
"""A shorter stretch without speech counts as a pause."""

LONG_SECONDS = 4.0
"""A stretch of this length ends a window; with the padding, it is five seconds without speech."""


QUIET = 75.0
"""Root mean square of a frame (-53 dBFS) up to which it counts as silent: too quiet for music."""


@dataclass(frozen=True, slots=True)
class Silences:
    """Stretches without speech, in seconds.

    non_speech: all but those that are loud and short; their text is dropped. passed: the long and quiet ones, which
    no window covers. doubted: the long and loud ones, which have windows of their own.
    """

    non_speech: tuple[Span, ...] = ()
    passed: tuple[Span, ...] = ()
    doubted: tuple[Span, ...] = ()


class NonSpeechFinder:
    """Finds the stretches of one recording without speech. Its samples are fed in order."""

    def __init__(self) -> None:
        self._detector = VoiceDetector()
        self._held = np.zeros(0, dtype=np.int16)
        self._probabilities: list[NDArray[np.float32]] = []
        self._loudness: list[NDArray[np.float32]] = []

    def feed(self, samples: NDArray[np.int16]) -> None:
        """Takes the recording's next samples, int16 of shape (n,)."""
        self._held = np.concatenate([self._held, samples])
        block = BLOCK_FRAMES * FRAME_SAMPLES
        while len(self._held) >= block:
            self._detect(self._held[:block])
            self._held = self._held[block:]

    def spans(self) -> tuple[Span, ...]:
        """Returns all stretches in order, in seconds. Call it when all samples were fed."""
        return non_speech_spans(self.probabilities) if len(self.probabilities) else ()

    def silences(self, end: float) -> Silences:
        """Classifies the stretches of a recording of `end` seconds. Call it when all samples were fed."""
        spans = self.spans()
        # The one at the recording's end ends a window, however short.
        long = [(a, b) for a, b in spans if b - a >= LONG_SECONDS or b >= end]
        loud = [span for span in spans if not self._is_quiet(*span)]
        return Silences(
            non_speech=tuple(span for span in spans if span in long or span not in loud),
            passed=tuple(span for span in long if span not in loud),
            doubted=tuple(span for span in long if span in loud),
        )

    def _is_quiet(self, start: float, end: float) -> bool:
        first, last = (round(at * SAMPLE_RATE / FRAME_SAMPLES) for at in (start, end))
        return float(np.concatenate(self._loudness)[first:last].max(initial=0.0)) <= QUIET

    def quietest(self, start: float, end: float) -> float:
        """Returns the time from `start` to `end`, in seconds, at which speech is least probable."""
        first = round(start * SAMPLE_RATE / FRAME_SAMPLES)
        heard = self.probabilities[first : max(first + 1, round(end * SAMPLE_RATE / FRAME_SAMPLES))]
        if not len(heard):
            return start
        return _seconds(first + int(np.argmin(np.convolve(heard, np.ones(RUN), "same"))))

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """The probability of speech in each frame, float32 of shape (n,). Read it when all samples were fed."""
        if len(self._held):
            self._detect(np.pad(self._held, (0, -len(self._held) % FRAME_SAMPLES)))
            self._held = self._held[:0]
        return np.concatenate([*self._probabilities, np.zeros(0, dtype=np.float32)])

    def _detect(self, samples: NDArray[np.int16]) -> None:
        self._probabilities.append(self._detector.probabilities(samples))
        self._loudness.append(loudness(samples))


def non_speech_spans(probabilities: NDArray[np.float32], offset: float = 0.0) -> tuple[Span, ...]:
    """Returns the stretches without speech of at least SHORTEST_SECONDS.

    probabilities: the detector's, of shape (n,). offset: the start of the first frame in seconds.
    """
    runs = np.convolve(probabilities, np.full(RUN, 1 / RUN, dtype=np.float32))[RUN - 1 :]
    spoken = reaching(runs >= PERHAPS_SPEECH, PADDING, RUN - 1 + PADDING)
    spoken |= reaching(probabilities >= CERTAIN_FRAME, PADDING, PADDING)
    edges = np.flatnonzero(np.diff(np.concatenate([[True], spoken, [True]])))
    spans = [(offset + _seconds(int(a)), offset + _seconds(int(b))) for a, b in edges.reshape(-1, 2)]
    return tuple(span for span in spans if span[1] - span[0] >= SHORTEST_SECONDS)


def loudness(samples: NDArray[np.int16]) -> NDArray[np.float32]:
    """Returns the root mean square of each frame, of shape (n,). samples: int16 of shape (512 n,)."""
    power = np.mean(samples.reshape(-1, FRAME_SAMPLES).astype(np.float32) ** 2, axis=1)
    roots: NDArray[np.float32] = np.sqrt(power).astype(np.float32)
    return roots


def overlapping(stretches: Sequence[Span], start: float, end: float) -> tuple[Span, ...]:
    """Returns the stretches that overlap the time from `start` to `end`."""
    return tuple((a, b) for a, b in stretches if a < end and b > start)


def reaching(marks: NDArray[np.bool_], before: int, after: int) -> NDArray[np.bool_]:
    """Returns marks that are true from `before` frames before each mark to `after` frames after it."""
    # One more, as an empty array is refused.
    near = np.convolve(np.append(marks, False), np.ones(before + after + 1, dtype=np.int64))
    reached: NDArray[np.bool_] = near[before : before + len(marks)] > 0
    return reached


def _seconds(frames: int) -> float:
    return frames * FRAME_SAMPLES / SAMPLE_RATE

"""Where the voice detector hears nobody. There Whisper invents text, its hotwords before all.

The detector is deaf to most of what is sung, and to speech under music. So where it is loud, Whisper is asked, too: a
window that lies in such a stretch is heard without hotwords and prompt, and its text kept where Whisper is sure of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transcription.engine.types import SAMPLE_RATE, Span
from transcription.engine.vad import BLOCK_FRAMES, FRAME_SAMPLES, VoiceDetector

RUN = 8
"""Frames (0.26 s) over which the detector's probability is averaged: noise makes single frames jump."""

PERHAPS_SPEECH = 0.17
"""From this mean on somebody may speak. docs/engine.md has what speech and noise were measured to reach."""

CERTAIN_FRAME = 0.5
"""A single frame as probable as this may be all there is of a word: Silero's own threshold."""

PADDING = 16
"""Frames (0.5 s) around speech that count as speech: a consonant is quiet, and a timestamp is rounded."""

SHORTEST_SECONDS = 1.0
"""A stretch without speech that is shorter is a pause."""

LONG_SECONDS = 4.0
"""A stretch without speech that is worth a window's end: with the padding, five seconds without a voice."""


QUIET = 75.0
"""Root mean square of a frame (-53 dBFS) up to which a room is silent: no music hides a voice, and nobody sings."""


@dataclass(frozen=True, slots=True)
class Silences:
    """Stretches without a voice, in seconds. `non_speech` are all but the loud ones that are short: no window has them.

    Of the long ones those that are quiet are passed over, and the loud ones doubted: Whisper is asked, too.
    """

    non_speech: tuple[Span, ...] = ()
    passed: tuple[Span, ...] = ()
    doubted: tuple[Span, ...] = ()


class NonSpeechFinder:
    """Finds the stretches of one recording in which no voice is heard, as its samples pass by."""

    def __init__(self) -> None:
        self._detector = VoiceDetector()
        self._held = np.zeros(0, dtype=np.int16)
        self._probabilities: list[NDArray[np.float32]] = []
        self._loudness: list[NDArray[np.float32]] = []

    def feed(self, samples: NDArray[np.int16]) -> None:
        """The recording's next samples, (n,)."""
        self._held = np.concatenate([self._held, samples])
        block = BLOCK_FRAMES * FRAME_SAMPLES
        while len(self._held) >= block:
            self._listen(self._held[:block])
            self._held = self._held[block:]

    def stretches(self) -> tuple[Span, ...]:
        """Seconds, in order, when all samples were fed."""
        return non_speech(self.probabilities) if len(self.probabilities) else ()

    def silences(self, end: float) -> Silences:
        """Of a recording that lasts until `end` seconds, when all samples were fed."""
        spans = self.stretches()
        long, loud = long_ones(spans, end), [span for span in spans if not self._is_quiet(*span)]
        return Silences(
            non_speech=tuple(span for span in spans if span in long or span not in loud),
            passed=tuple(span for span in long if span not in loud),
            doubted=tuple(span for span in long if span in loud),
        )

    def _is_quiet(self, start: float, end: float) -> bool:
        first, last = (round(at * SAMPLE_RATE / FRAME_SAMPLES) for at in (start, end))
        return float(np.concatenate(self._loudness)[first:last].max(initial=0.0)) <= QUIET

    def quietest(self, start: float, end: float) -> float:
        """The time between these at which speech is least likely, when all samples were fed."""
        first = round(start * SAMPLE_RATE / FRAME_SAMPLES)
        heard = self.probabilities[first : max(first + 1, round(end * SAMPLE_RATE / FRAME_SAMPLES))]
        if not len(heard):
            return start
        return _seconds(first + int(np.argmin(np.convolve(heard, np.ones(RUN), "same"))))

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """Of all frames, (n,), when all samples were fed."""
        if len(self._held):
            self._listen(np.pad(self._held, (0, -len(self._held) % FRAME_SAMPLES)))
            self._held = self._held[:0]
        return np.concatenate([*self._probabilities, np.zeros(0, dtype=np.float32)])

    def _listen(self, samples: NDArray[np.int16]) -> None:
        self._probabilities.append(self._detector.probabilities(samples))
        self._loudness.append(loudness(samples))


def non_speech(probabilities: NDArray[np.float32], offset: float = 0.0) -> tuple[Span, ...]:
    """The stretches of SHORTEST_SECONDS and more in which no voice is heard.

    probabilities: of the detector's frames, (n,); offset: seconds at which the first one begins.
    """
    runs = np.convolve(probabilities, np.full(RUN, 1 / RUN, dtype=np.float32))[RUN - 1 :]
    spoken = _reaching(runs >= PERHAPS_SPEECH, PADDING, RUN - 1 + PADDING)
    spoken |= _reaching(probabilities >= CERTAIN_FRAME, PADDING, PADDING)
    edges = np.flatnonzero(np.diff(np.concatenate([[True], spoken, [True]])))
    spans = [(offset + _seconds(int(a)), offset + _seconds(int(b))) for a, b in edges.reshape(-1, 2)]
    return tuple(span for span in spans if span[1] - span[0] >= SHORTEST_SECONDS)


def loudness(samples: NDArray[np.int16]) -> NDArray[np.float32]:
    """Root mean square of each frame; samples: (512 n,)."""
    power = np.mean(samples.reshape(-1, FRAME_SAMPLES).astype(np.float32) ** 2, axis=1)
    roots: NDArray[np.float32] = np.sqrt(power).astype(np.float32)
    return roots


def long_ones(stretches: Sequence[Span], end: float) -> list[Span]:
    """Those that are worth a window's end, or last until `end`, the recording's."""
    return [(a, b) for a, b in stretches if b - a >= LONG_SECONDS or b >= end]


def within(stretches: Sequence[Span], start: float, end: float) -> tuple[Span, ...]:
    """Those that reach into the time between."""
    return tuple((a, b) for a, b in stretches if a < end and b > start)


def _reaching(marks: NDArray[np.bool_], before: int, after: int) -> NDArray[np.bool_]:
    """True from so many frames before each mark to so many after it."""
    edges = np.zeros(len(marks) + 1, dtype=np.int64)
    at = np.flatnonzero(marks)
    np.add.at(edges, np.maximum(0, at - before), 1)
    np.add.at(edges, np.minimum(len(marks), at + after + 1), -1)
    reached: NDArray[np.bool_] = np.cumsum(edges)[:-1] > 0
    return reached


def _seconds(frames: int) -> float:
    return frames * FRAME_SAMPLES / SAMPLE_RATE

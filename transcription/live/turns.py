"""Finds where somebody begins and stops speaking in sound that arrives piece by piece."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transcription.engine.types import SAMPLE_RATE
from transcription.engine.vad import FRAME_SAMPLES, VoiceDetector

FRAME_SECONDS = FRAME_SAMPLES / SAMPLE_RATE
LEAST_SPEECH_FRAMES = 3
"""Frames with a voice, one after the other, that begin a turn: a click is shorter."""

HYSTERESIS = 0.15
"""How far below the threshold a frame's probability is where nobody speaks any more."""

FORGETTING = 0.998
"""By what the loudest frame's level decays with each frame: by half in eleven seconds."""

LEAST_LEVEL = 150.0
"""The root mean square that a quiet room is taken for at least, so that its noise is not amplified into a voice."""


@dataclass(frozen=True, slots=True)
class TurnDetection:
    """threshold: the voice detector's probability from which on somebody speaks. Milliseconds: what of the sound before
    the first word belongs to a turn, and how long a pause ends it.
    """

    threshold: float = 0.5
    prefix_padding_ms: int = 300
    silence_duration_ms: int = 500


@dataclass(frozen=True, slots=True)
class TurnEdge:
    """The sample at which a turn begins, its padding included, or ends."""

    sample: int
    begins: bool


class TurnDetector:
    """Finds the turns of one stream, which must be fed in order."""

    def __init__(self, detection: TurnDetection) -> None:
        self.detection = detection
        self._voice = VoiceDetector()
        self._rest: NDArray[np.int16] = np.zeros(0, dtype=np.int16)
        self._level = LEAST_LEVEL
        self._frames = 0
        self._spoken = 0
        self._silent = 0
        self._is_speaking = False

    def feed(self, samples: NDArray[np.int16]) -> list[TurnEdge]:
        """Returns where turns begin and end in the next samples, shape (n,)."""
        held = np.concatenate([self._rest, samples])
        whole = len(held) - len(held) % FRAME_SAMPLES
        self._rest = held[whole:]
        if not whole:
            return []
        edges = (self._step(float(chance)) for chance in self._probabilities(held[:whole]))
        return [edge for edge in edges if edge is not None]

    def end_turn(self) -> None:
        """Begins anew after a turn that something else ended."""
        self._is_speaking, self._spoken, self._silent = False, 0, 0

    def _probabilities(self, samples: NDArray[np.int16]) -> NDArray[np.float32]:
        levels = np.sqrt(np.mean(samples.astype(np.float32).reshape(-1, FRAME_SAMPLES) ** 2, axis=1))
        self._level = max(LEAST_LEVEL, float(levels.max()), self._level * FORGETTING ** len(levels))
        return self._voice.probabilities(samples, self._level)

    def _step(self, chance: float) -> TurnEdge | None:
        self._frames += 1
        threshold = self.detection.threshold
        if not self._is_speaking:
            self._spoken = self._spoken + 1 if chance >= threshold else 0
            if self._spoken < LEAST_SPEECH_FRAMES:
                return None
            self._is_speaking, self._silent = True, 0
            padding = self.detection.prefix_padding_ms * SAMPLE_RATE // 1000
            return TurnEdge(max(0, (self._frames - self._spoken) * FRAME_SAMPLES - padding), begins=True)
        self._silent = self._silent + 1 if chance < threshold - HYSTERESIS else 0
        if self._silent * FRAME_SECONDS * 1000 < self.detection.silence_duration_ms:
            return None
        self._is_speaking, self._spoken = False, 0
        return TurnEdge(self._frames * FRAME_SAMPLES, begins=False)

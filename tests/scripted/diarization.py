"""A diarization without weights at the process boundary: two speakers take turns, each for a few seconds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from transcription.diarization.types import SAMPLE_RATE, Diarization, SpeakerCount, Turn

TURN_SECONDS = 4.0


class ScriptedDiarization:
    """Takes the place of DiarizationProcess in the workers of a scripted stack."""

    def __init__(
        self, _weights: Path, _count: SpeakerCount, _channels: int, _checkpoints: Sequence[bytes] = ()
    ) -> None:
        self._samples = 0

    def write(self, samples: NDArray[Any]) -> None:
        self._samples += len(samples)

    def new_checkpoints(self) -> list[bytes]:
        return []

    def finish(self, on_progress: Callable[[float], None]) -> Diarization:
        on_progress(1.0)
        seconds = self._samples / SAMPLE_RATE
        starts = [number * TURN_SECONDS for number in range(int(seconds / TURN_SECONDS) + 1)]
        return Diarization(
            tuple(Turn(start, start + TURN_SECONDS, number % 2) for number, start in enumerate(starts)), False
        )

    def close(self) -> None:
        pass

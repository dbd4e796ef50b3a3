"""Recognises the speakers of a recording by reference voices."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from transcription.diarization.types import Diarization

Voice = NDArray[np.float32]
"""A voice's embedding, shape (192,), of length 1."""


def embed(weights: Path, samples: NDArray[np.int16] | NDArray[np.float32]) -> Voice:
    """Returns the voice in samples at 16 kHz, mono, 2 to 10 s; float32 within [-1, 1].

    Raises DiarizationError where it is too short or nobody speaks.
    """
    raise NotImplementedError


def name_speakers(
    diarization: Diarization, checkpoints: Sequence[bytes], references: Sequence[Voice]
) -> dict[int, int]:
    """Returns which reference each speaker is, as {speaker: index in references}; no reference is given twice, and a
    speaker like none of them is left out.

    checkpoints: all of the recording's.
    """
    raise NotImplementedError

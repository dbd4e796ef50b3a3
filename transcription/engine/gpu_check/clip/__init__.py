"""Eleven seconds of speech in the public domain (README.md), with its text and the times of its words."""

from __future__ import annotations

import re
import wave
from pathlib import Path

import numpy as np

from transcription.engine.types import SAMPLE_RATE, Window

SOUND = Path(__file__).parent / "jfk.wav"

TEXT = (
    "And so my fellow Americans, ask not what your country can do for you, "
    "ask what you can do for your country."
)  # fmt: skip

BEFORE = "With a good conscience our only sure reward, with history the final judge of our deeds."
"""A sentence of the same address, for a prompt."""

WORD_STARTS = (
    *(0.0, 0.52, 0.84, 1.18, 1.56, 2.1, 3.72, 4.24, 5.52, 5.76, 6.24),
    *(6.62, 6.82, 7.08, 7.42, 8.46, 8.76, 9.04, 9.32, 9.56, 9.78, 9.94),
)
"""When the words begin, in seconds: as base in float32 times them."""


def window(index: int = 0) -> Window:
    """Returns the clip as one of a recording's windows."""
    with wave.open(str(SOUND)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
    return Window(index, 0.0, len(samples) / SAMPLE_RATE, samples)


def words(text: str) -> list[str]:
    """Returns the words of a text in small letters, without punctuation."""
    return re.findall(r"[\w']+", text.lower())


def word_error_rate(text: str, reference: str = TEXT) -> float:
    """Returns the least number of words to put in, take out or change, by the number of the reference's words."""
    said, expected = words(text), words(reference)
    row = list(range(len(expected) + 1))
    for number, word in enumerate(said, 1):
        diagonal, row[0] = row[0], number
        for at, other in enumerate(expected, 1):
            diagonal, row[at] = row[at], min(row[at] + 1, row[at - 1] + 1, diagonal + (word != other))
    return row[-1] / max(1, len(expected))

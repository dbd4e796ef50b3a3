"""How much of the speech that the voice detector is sure of has no text?"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from transcription.engine.spans import TOLERANCE_SECONDS
from transcription.engine.types import SAMPLE_RATE, Span
from transcription.engine.vad import FRAME_SAMPLES, VoiceDetector
from transcription.engine.voice import certain_speech
from transcription.engine.windows import whole_frames


def lost_speech(pcm: bytes, texts: Iterable[Span]) -> tuple[float, float]:
    """Returns the seconds of certain speech without text, and all seconds of certain speech.

    pcm: 16 kHz mono s16le. texts: the seconds from and to of each segment or word.
    """
    samples = whole_frames(np.frombuffer(pcm, dtype="<i2"), FRAME_SAMPLES)
    certain = certain_speech(VoiceDetector().probabilities(samples))
    covered = np.zeros(len(certain), dtype=bool)
    for start, end in texts:
        edges = (start - TOLERANCE_SECONDS, end + TOLERANCE_SECONDS)
        first, last = (round(at * SAMPLE_RATE / FRAME_SAMPLES) for at in edges)
        covered[max(0, first) : max(0, last)] = True
    seconds = FRAME_SAMPLES / SAMPLE_RATE
    return float((certain & ~covered).sum()) * seconds, float(certain.sum()) * seconds

"""Calls in stereo: where each channel is one side, the channels say who speaks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transcription.diarization.analysis import LAG, LEVEL_SAMPLES, Findings
from transcription.diarization.sessions import FRAME_SECONDS
from transcription.diarization.types import SAMPLE_RATE, Turn

LEVEL_SECONDS = LEVEL_SAMPLES / SAMPLE_RATE
DIFFER_DB = 10.0
MOSTLY, AT_LEAST = 0.5, 0.05
"""Of the speech: how much must differ in level, and how much on each side."""

MOST_CORRELATION = 0.5
SMOOTH = 15
"""Levels in a mean: 150 ms."""


def by_channel(found: Findings, speech: NDArray[np.bool_]) -> list[Turn] | None:
    """Returns the turns of two speakers, 0 for the left channel; None where the channels are not one side each.

    speech: whether anybody speaks, in each frame of the mix.
    """
    levels = np.concatenate(found.levels)
    kernel = np.ones(SMOOTH) / SMOOTH
    smooth = np.stack([np.convolve(channel, kernel, "same") for channel in levels.T])
    decibels = np.log10(np.maximum(smooth, 1e-12))
    frames = np.minimum((np.arange(len(levels)) * LEVEL_SECONDS / FRAME_SECONDS).astype(int), len(speech) - 1)
    spoken: NDArray[np.bool_] = speech[frames]
    if not spoken.any() or _correlation(found) >= MOST_CORRELATION:
        return None
    difference = np.asarray(10.0 * np.diff(decibels[::-1], axis=0).reshape(-1), np.float64)
    voiced = max(int(spoken.sum()), 1)
    left = int((spoken & (difference > DIFFER_DB)).sum()) / voiced
    right = int((spoken & (difference < -DIFFER_DB)).sum()) / voiced
    if left + right < MOSTLY or min(left, right) < AT_LEAST:
        return None
    # Both speak where neither is much louder: an echo of the other side is more than 10 dB below it.
    turns = []
    for channel, louder in enumerate((difference, np.negative(difference))):
        active = spoken & (louder > -DIFFER_DB)
        for first, last in np.flatnonzero(np.diff(active, prepend=False, append=False)).reshape(-1, 2):
            turns.append(Turn(float(first * LEVEL_SECONDS), float(last * LEVEL_SECONDS), channel))
    return turns


def _correlation(found: Findings) -> float:
    """Returns the channels' greatest correlation at any lag of -20 to 20 ms."""
    sums = np.array(found.correlation, np.float64).sum(axis=0).reshape(-1)
    energy = float(np.sqrt(sums[-2] * sums[-1]))
    return float(np.abs(sums[: 2 * LAG + 1]).max()) / max(energy, 1e-12)

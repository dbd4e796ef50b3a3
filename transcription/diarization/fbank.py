"""Log mel filter banks as Kaldi computes them (`compute-fbank-feats`), which CAM++ was trained on.

80 bins from 20 to 8000 Hz of frames of 25 ms every 10 ms, whole ones only; the mean of each frame removed,
pre-emphasis 0.97, the Povey window (Hann to the power of 0.85), power spectrum of 512 points, no dither.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from transcription.diarization.types import SAMPLE_RATE

Array = NDArray[np.float32]

BINS = 80
FRAME_SAMPLES, SHIFT_SAMPLES, FFT_SAMPLES = 400, 160, 512
LOWEST_HZ, HIGHEST_HZ = 20.0, 8000.0
PREEMPHASIS = np.float32(0.97)
FLOOR = np.finfo(np.float32).eps


def fbank(samples: Array) -> Array:
    """Returns the log mel energies, shape (80, frames). samples: shape (n,) in [-1, 1], 400 at least."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, FRAME_SAMPLES)[::SHIFT_SAMPLES]
    frames = frames - frames.mean(axis=1, keepdims=True)
    before = np.hstack([frames[:, :1], frames[:, :-1]])
    spectrum = np.fft.rfft((frames - PREEMPHASIS * before) * _window(), FFT_SAMPLES)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    energies: Array = np.log(np.maximum(_mel_filters() @ power.T, FLOOR)).astype(np.float32)
    return energies


@cache
def _window() -> Array:
    return (np.hanning(FRAME_SAMPLES) ** 0.85).astype(np.float32)


@cache
def _mel_filters() -> Array:
    """Returns triangles that are equal on the mel scale, shape (80, 257)."""
    edges = np.linspace(_mel(LOWEST_HZ), _mel(HIGHEST_HZ), BINS + 2)[:, None]
    mels = _mel(np.arange(FFT_SAMPLES // 2 + 1) * SAMPLE_RATE / FFT_SAMPLES)
    rising = (mels - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - mels) / (edges[2:] - edges[1:-1])
    filters: Array = np.maximum(np.minimum(rising, falling), 0).astype(np.float32)
    return filters


def _mel(hertz: float | NDArray[np.float64]) -> NDArray[np.float64]:
    return 1127.0 * np.log1p(np.asarray(hertz) / 700.0)

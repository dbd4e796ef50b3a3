"""Log-mel spectrograms in numpy, with openai-whisper's numbers: for all that does without torch."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from transcription.engine.types import FRAME_SAMPLES, SAMPLE_RATE, TRAIL_SAMPLES, Window

FFT_SAMPLES = 400
DYNAMIC_RANGE = 8.0
"""Powers of ten between the loudest value and the floor."""

LOUDEST_BLOCK = 3000
"""Frames whose loudest value is looked for at once."""

Floats = NDArray[np.float32]


def features(window: Window, n_mels: int) -> Floats:
    """Returns what the encoder hears, (n_mels, encoder_frames), padded with 0.0 as in openai-whisper's transcribe().

    With a passage it is cut out of the recording's spectrogram and clamped at the recording's loudest
    value; without one it has its own.
    """
    first, frames, padding = extent(window)
    power = log_power(np.pad(_floats(window.samples), (0, padding)), n_mels)[:, first : first + frames]
    loudest = float(power.max()) if window.passage is None else window.passage.loudest
    floor = np.float32(loudest - DYNAMIC_RANGE)
    mel = ((np.maximum(power, floor) + np.float32(4.0)) / np.float32(4.0)).astype(np.float32)
    return np.pad(mel, ((0, 0), (0, window.encoder_frames - frames)))


def extent(window: Window) -> tuple[int, int, int]:
    """Returns the first frame of a window's samples that is the window's, how many are, and the silence to add."""
    passage, samples = window.passage, len(window.samples)
    lead = passage.lead if passage else 0
    frames = passage.frames if passage else max(1, samples // FRAME_SAMPLES)
    missing = max(0, lead + frames * FRAME_SAMPLES + TRAIL_SAMPLES - samples)
    # One more frame, so that the reflection at the end touches none that counts.
    return lead // FRAME_SAMPLES, frames, missing + FRAME_SAMPLES


def log_power(audio: Floats, n_mels: int) -> Floats:
    """Returns log10 of the mel powers, (n_mels, n // 160), of samples in [-1, 1], (n,).

    The formula is whisper.audio.log_mel_spectrogram's, before its clamp and scale.
    """
    padded = np.pad(audio, FFT_SAMPLES // 2, mode="reflect" if len(audio) > FFT_SAMPLES // 2 else "constant")
    frames = sliding_window_view(padded, FFT_SAMPLES)[::FRAME_SAMPLES][: len(audio) // FRAME_SAMPLES]
    spectrum = np.fft.rfft(frames * _hann(), axis=-1)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    result: Floats = np.log10(np.maximum(mel_filters(n_mels) @ power.T, 1e-10))
    return result


class Loudest:
    """The loudest mel power of a recording, as its samples pass by; what a Passage calls `loudest`."""

    def __init__(self, n_mels: int) -> None:
        self._n_mels = n_mels
        self._held: Floats = np.zeros(0, dtype=np.float32)
        self._begun = False
        self._value = -10.0

    def feed(self, samples: NDArray[np.int16]) -> None:
        """Takes the recording's next samples, (n,)."""
        self._held = np.concatenate([self._held, _floats(samples)])
        while len(self._held) >= LOUDEST_BLOCK * FRAME_SAMPLES + FFT_SAMPLES:
            self._look(LOUDEST_BLOCK)

    def value(self) -> float:
        """Returns log10 of the loudest power. Call it when all samples were fed."""
        self._held = np.pad(self._held, (0, FFT_SAMPLES))
        self._look(max(1, len(self._held) // FRAME_SAMPLES - 1))
        return self._value

    def _look(self, frames: int) -> None:
        # The samples before a block's first frame are kept, as no frame but the recording's first is reflected.
        first = int(self._begun)
        power = log_power(self._held[: (frames + 2) * FRAME_SAMPLES + FFT_SAMPLES], self._n_mels)
        self._value = max(self._value, float(power[:, 2 * first : frames + 2 * first].max()))
        self._held = self._held[frames * FRAME_SAMPLES - 2 * FRAME_SAMPLES * (1 - first) :]
        self._begun = True


@cache
def mel_filters(n_mels: int) -> Floats:
    """Returns the filter bank, (n_mels, 201): librosa.filters.mel(sr=16000, n_fft=400), Slaney's scale and norm."""
    edges = _hertz(np.linspace(0.0, _mel(SAMPLE_RATE / 2), n_mels + 2))
    bins = np.linspace(0.0, SAMPLE_RATE / 2, FFT_SAMPLES // 2 + 1)
    slopes = edges[:, None] - bins
    widths = np.diff(edges)
    rising = -slopes[:-2] / widths[:-1, None]
    falling = slopes[2:] / widths[1:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    areas = 2.0 / (edges[2:] - edges[:-2])
    return (triangles * areas[:, None]).astype(np.float32)


def _mel(hertz: float) -> float:
    """Slaney's scale: linear below 1000 Hz, logarithmic above (Auditory Toolbox, 1998)."""
    return hertz / (200.0 / 3.0) if hertz < 1000.0 else 15.0 + np.log(hertz / 1000.0) * 27.0 / np.log(6.4)


def _hertz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    linear = mels * 200.0 / 3.0
    return np.where(mels < 15.0, linear, 1000.0 * np.exp((mels - 15.0) * np.log(6.4) / 27.0))


@cache
def _hann() -> Floats:
    """Returns torch.hann_window(400), which is periodic."""
    return (0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(FFT_SAMPLES) / FFT_SAMPLES)).astype(np.float32)


def _floats(samples: NDArray[np.int16]) -> Floats:
    return samples.astype(np.float32) / np.float32(32768.0)

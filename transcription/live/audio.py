"""The sound that programs send, made into what Whisper hears: 16 kHz mono int16."""

from __future__ import annotations

from math import gcd
from typing import Final

import numpy as np
from numpy.typing import NDArray

from transcription.engine.types import SAMPLE_RATE

Samples = NDArray[np.int16]
Floats = NDArray[np.float32]

TAPS = 32
"""Input samples to an output sample."""


def _mu_law() -> NDArray[np.float32]:
    """Returns the sample of each µ-law byte (ITU-T G.711), as int16 has it."""
    codes = ~np.arange(256, dtype=np.uint8)
    magnitude = (((codes & 0x0F).astype(np.int32) << 3) + 0x84 << ((codes & 0x70) >> 4)) - 0x84
    return np.where(codes & 0x80, -magnitude, magnitude).astype(np.float32)


def _a_law() -> NDArray[np.float32]:
    """Returns the sample of each A-law byte (ITU-T G.711), as int16 has it."""
    codes = np.arange(256, dtype=np.uint8) ^ 0x55
    exponent, mantissa = ((codes & 0x70) >> 4).astype(np.int32), ((codes & 0x0F).astype(np.int32) << 4) + 8
    magnitude = np.where(exponent > 0, mantissa + 0x100 << np.maximum(exponent - 1, 0), mantissa)
    return np.where(codes & 0x80, magnitude, -magnitude).astype(np.float32)


COMPANDED: Final = {"audio/pcmu": _mu_law(), "audio/pcma": _a_law()}
RATES: Final = {"audio/pcm": 24_000, "audio/pcmu": 8_000, "audio/pcma": 8_000}
BYTES_PER_SAMPLE: Final = {"audio/pcm": 2, "audio/pcmu": 1, "audio/pcma": 1}


class Decoder:
    """Decodes one stream of `audio/pcm` (int16, little-endian), `audio/pcmu` or `audio/pcma`."""

    def __init__(self, format: str, rate: int = 0) -> None:
        self.format = format
        self.rate = rate or RATES[format]
        self._resampler = Resampler(self.rate)

    def seconds(self, data: bytes) -> float:
        """Returns how long `data` sounds."""
        return len(data) / BYTES_PER_SAMPLE[self.format] / self.rate

    def decode(self, data: bytes) -> Samples:
        """Returns the next samples at 16 kHz, shape (n,). Raises ValueError for half a sample."""
        if len(data) % BYTES_PER_SAMPLE[self.format]:
            raise ValueError("the audio ends in the middle of a sample: send an even number of bytes")
        if self.format in COMPANDED:
            return self._resampler.feed(COMPANDED[self.format][np.frombuffer(data, dtype=np.uint8)])
        return self._resampler.feed(np.frombuffer(data, dtype="<i2").astype(np.float32))


class Resampler:
    """Makes 16 kHz of another rate, by a sinc filter under a Hann window, piece by piece.

    The output is TAPS / 2 input samples late.
    """

    def __init__(self, rate: int) -> None:
        shared = gcd(rate, SAMPLE_RATE)
        self._up, self._down = SAMPLE_RATE // shared, rate // shared
        cutoff = min(1.0, SAMPLE_RATE / rate)
        offsets = np.arange(TAPS) - TAPS / 2 + 1 - np.arange(self._up)[:, None] / self._up
        taps = cutoff * np.sinc(cutoff * offsets) * np.cos(np.pi * offsets / TAPS) ** 2
        self._filters: Floats = (taps / taps.sum(axis=1, keepdims=True)).astype(np.float32)
        self._held: Floats = np.zeros(TAPS - 1, dtype=np.float32)
        self._phase = 0

    def feed(self, samples: Floats) -> Samples:
        """Returns the output samples that the next input samples complete."""
        if self._up == self._down:
            return _rounded(samples)
        held = np.concatenate([self._held, samples])
        ready = len(held) - TAPS + 1
        count = max(0, -(-(ready * self._up - self._phase) // self._down))
        places = self._phase + np.arange(count) * self._down
        starts, phases = places // self._up, places % self._up
        result = np.empty(count, dtype=np.float32)
        for phase in range(self._up):
            of_phase = phases == phase
            windows = np.lib.stride_tricks.sliding_window_view(held, TAPS)[starts[of_phase]]
            result[of_phase] = windows @ self._filters[phase]
        following = self._phase + count * self._down
        self._held, self._phase = held[ready:], following - ready * self._up
        return _rounded(result)


def _rounded(samples: Floats) -> Samples:
    return np.clip(np.rint(samples), -32768, 32767).astype(np.int16)

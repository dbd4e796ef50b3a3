"""Downmixes channels to one, without cancelling channels of opposite phase."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CANCELLED = 0.1
"""Channels cancel out if their sum has less than this share of the loudest channel's energy."""

AUDIBLE = 100.0
"""The mean square of a sample at about -70 dB."""


class Mixer:
    """Returns the mean of all channels, or the loudest channel if they cancel out so far.

    Neither a silent channel nor wide stereo music counts as cancelling.
    """

    def __init__(self) -> None:
        self._samples = 0
        self._mean_energy = 0.0
        self._energies: NDArray[np.float64] | None = None
        self.cancels = False

    def mono(self, pcm: bytes, channels: int) -> bytes:
        """Converts interleaved s16le to one channel."""
        if channels == 1:
            return pcm
        samples = np.frombuffer(pcm, dtype="<i2").reshape(-1, channels).astype(np.float64)
        mean = samples.mean(axis=1)
        energies = np.square(samples).sum(axis=0)
        self._energies = energies if self._energies is None else self._energies + energies
        self._mean_energy += float(np.square(mean).sum())
        self._samples += len(samples)
        loudest = int(self._energies.argmax())
        most = float(self._energies[loudest])
        self.cancels = most > AUDIBLE * self._samples and channels**2 * self._mean_energy < CANCELLED * most
        chosen = samples[:, loudest] if self.cancels else mean
        return bytes(np.round(chosen).astype("<i2").tobytes())

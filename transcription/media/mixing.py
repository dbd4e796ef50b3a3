"""Downmixes channels to one, without cancelling channels of opposite phase."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CANCELLED = 0.1
"""Channels cancel out if their sum has less than this share of the loudest channel's energy."""

AUDIBLE = 10.0
"""The mean square of a sample of faint speech, about -80 dB."""

APART = 8
"""Energies are of the differences between samples so far apart: in these speech is louder than hum and hiss."""

PAUSE = 0.01
"""What has less than this share of the loudest energy is the noise of pauses."""

HALF_LIFE = 16_000
"""After so many samples half of what was heard is forgotten."""

LONGEST_UNNOTICED = 16_000
"""How many samples may cancel out before the recording is said to be such a one."""


class Mixer:
    """Returns the mean of all channels, or a loud one where they cancel out, be it in a part of the recording.

    Neither a silent channel nor wide stereo music counts as cancelling, and no offset, hum or hiss hides it.
    """

    def __init__(self) -> None:
        self._samples = 0
        self._cancelled = 0
        self._channel: int | None = None
        self._loudest = 0.0
        self._sums_energy = 0.0
        self._energies: NDArray[np.float64] = np.zeros(0)

    @property
    def cancels(self) -> bool:
        return self._cancelled > min(LONGEST_UNNOTICED, self._samples / 2)

    def mono(self, pcm: bytes, channels: int) -> bytes:
        """Converts a block of interleaved s16le to one channel."""
        if channels == 1:
            return pcm
        samples = np.frombuffer(pcm, dtype="<i2").reshape(-1, channels).astype(np.float64)
        mean = samples.mean(axis=1)
        self._choose(float(_energy(channels * mean)), _energy(samples), len(samples))
        chosen = mean if self._channel is None else samples[:, self._channel]
        return bytes(np.round(chosen).astype("<i2").tobytes())

    def _choose(self, of_sum: float, energies: NDArray[np.float64], count: int) -> None:
        """Chooses a channel as soon as a block cancels out, and their mean again when what was heard lately doesn't."""
        if len(self._energies) != len(energies):  # of another file, that was joined to the one before
            self._channel, self._sums_energy, self._energies = None, 0.0, np.zeros_like(energies)
        kept = 0.5 ** (count / HALF_LIFE)
        self._sums_energy = kept * self._sums_energy + of_sum
        self._energies = kept * self._energies + energies
        self._samples += count
        most = float(energies.max())
        if most <= AUDIBLE * count:
            return
        self._loudest = max(self._loudest, most / count)
        is_faint = self._channel is not None and energies[self._channel] < most / 4
        if of_sum < CANCELLED * most:
            self._cancelled += count if most / count > PAUSE * self._loudest else 0
            if self._channel is None or is_faint:
                self._channel = int(energies.argmax())
        elif is_faint or self._sums_energy > self._energies.max():
            self._channel = None


def _energy(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """samples: [times] or [times, channels]; returns the sum over time."""
    return np.asarray(np.square(samples[APART:] - samples[:-APART]).sum(axis=0))

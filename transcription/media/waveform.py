"""Computes a recording's waveform while its PCM is streamed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

POINTS = 1000
BLOCK_SAMPLES = 800  # BLOCK_SECONDS of loudness.py
FULL_SCALE = 32768


class Peaks:
    """The loudest sample of each block of 50 ms; 12 hours need less than a megabyte."""

    def __init__(self) -> None:
        self._blocks = bytearray()
        self._rest: NDArray[np.int16] = np.empty(0, dtype=np.int16)
        self._odd = b""

    def watch(self, pcm: Iterable[bytes]) -> Iterator[bytes]:
        """Yields 16 kHz mono s16le PCM unchanged and measures it."""
        for chunk in pcm:
            self._add(chunk)
            yield chunk

    def _add(self, chunk: bytes) -> None:
        data = self._odd + chunk
        even = len(data) & ~1
        self._odd = data[even:]
        samples = np.concatenate([self._rest, np.frombuffer(data[:even], dtype="<i2")])
        whole = len(samples) // BLOCK_SAMPLES * BLOCK_SAMPLES
        blocks = samples[:whole].reshape(-1, BLOCK_SAMPLES).astype(np.int32)
        self._blocks += (np.abs(blocks).max(axis=1, initial=0) * 255 // FULL_SCALE).astype(np.uint8).tobytes()
        self._rest = samples[whole:]

    @property
    def blocks(self) -> bytes:
        """The loudness of each block of BLOCK_SECONDS, 255 for full scale."""
        return bytes(self._blocks)

    def points(self) -> list[int]:
        """Returns at most POINTS values from 0 to 100, evenly spread over the recording."""
        blocks = np.frombuffer(bytes(self._blocks), dtype=np.uint8)
        if not len(blocks):
            return []
        parts = np.array_split(blocks, min(POINTS, len(blocks)))
        return [int(part.max()) * 100 // 255 for part in parts]

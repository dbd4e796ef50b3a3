"""A recording's sound, kept while it is needed again: in memory while it is small, on disk beyond."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

IN_MEMORY_BYTES = 8 * 1024 * 1024
"""About four minutes."""


class Spool:
    """Mono s16le samples, which are gone when it is closed."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES, prefix="sound-")  # noqa: SIM115 - closed by its owner
        self.samples = 0

        self.close = self._file.close

    def fill(self, pcm: Iterable[bytes], watch: Callable[[NDArray[np.int16]], None]) -> None:
        """Takes all chunks, which may be cut anywhere; `watch` sees every sample as it passes."""
        odd = b""
        for chunk in pcm:
            data = odd + chunk
            whole = len(data) // 2 * 2
            odd = data[whole:]
            self._file.write(data[:whole])
            self.samples += whole // 2
            watch(np.frombuffer(data[:whole], dtype="<i2"))

    def read(self, start: int, end: int) -> NDArray[np.int16]:
        """Returns the samples [start, end), as far as there are any."""
        self._file.seek(2 * start)
        return np.frombuffer(self._file.read(2 * max(0, end - start)), dtype="<i2")

"""Dynamic time warping by openai-whisper's own function, off the interpreter's lock."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numba
import numpy as np
from numpy.typing import NDArray
from whisper.timing import dtw_cpu


@cache
def compiled_dtw() -> Callable[[NDArray[np.float32]], NDArray[np.int64]]:
    """Returns dtw_cpu for contiguous matrices, which any number of threads may call at once.

    As openai-whisper compiles it, for a parallelism that it doesn't have, one thread may. Compiling takes a second.
    """
    compiled: Callable[[NDArray[np.float32]], NDArray[np.int64]] = numba.njit("(float32[:, ::1],)", nogil=True)(
        dtw_cpu.py_func
    )
    return compiled


def arrivals(cost: NDArray[np.float32]) -> NDArray[np.int64]:
    """Returns the columns at which the cheapest path reaches each row, as `transcription.engine.warping.arrivals`."""
    rows, columns = compiled_dtw()(cost)
    reached: NDArray[np.int64] = np.maximum(0, columns[np.searchsorted(rows, np.arange(len(cost)))])
    return reached

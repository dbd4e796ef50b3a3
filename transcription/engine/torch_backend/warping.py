"""Dynamic time warping, compiled by numba, which openai-whisper brings: off the interpreter's lock."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numba
import numpy as np
from numpy.typing import NDArray

DIAGONAL, UP, LEFT = 0, 1, 2

Arrivals = Callable[[NDArray[np.float32]], NDArray[np.int64]]


@cache
def compiled_arrivals() -> Arrivals:
    """Returns `warping.arrivals` for contiguous matrices, which any number of threads may call at once.

    Compiles it at the first call, which takes a second.
    """
    compiled: Arrivals = numba.njit("int64[::1](float32[:, ::1])", nogil=True)(_arrivals)
    return compiled


def _arrivals(cost: NDArray[np.float32]) -> NDArray[np.int64]:
    rows, columns = cost.shape
    trace = np.empty((rows, columns), np.uint8)
    totals = np.full(columns + 1, np.inf, np.float32)
    totals[0] = 0.0
    for row in range(rows):
        corner, left = totals[0], np.float32(np.inf)
        totals[0] = np.inf
        for column in range(columns):
            up = totals[column + 1]
            if corner < up and corner < left:
                best, step = corner, DIAGONAL
            elif up < corner and up < left:
                best, step = up, UP
            else:
                best, step = left, LEFT
            left = np.float32(cost[row, column] + best)
            corner, totals[column + 1], trace[row, column] = up, left, step
    reached = np.zeros(rows, np.int64)
    row, column = rows - 1, columns - 1
    while row > 0:
        step = trace[row, column] if column > 0 else UP
        if step != LEFT:
            reached[row] = column
            row -= 1
        if step != UP:
            column -= 1
    return reached

"""Dynamic time warping in numpy, with openai-whisper's ties and without its compiler."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DIAGONAL, UP, LEFT = 0, 1, 2


def dtw(cost: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns the cheapest monotonic path through a matrix: its rows and its columns.

    cost: (rows, columns), both at least 1. Same path as whisper.timing.dtw_cpu, which compiles
    itself for seconds at first use. A cell depends on the diagonals before its own only, so a
    whole diagonal is done at once.
    """
    rows, columns = cost.shape
    skewed = np.full((rows + columns - 1, rows), np.inf)
    for row in range(rows):
        skewed[row : row + columns, row] = cost[row]
    trace = np.empty((rows + columns - 1, rows), dtype=np.int8)
    # Both hold, at i, the total of row i - 1; row -1 lies outside of the matrix.
    before = np.full(rows + 1, np.inf, dtype=np.float32)
    last = np.full(rows + 1, np.inf, dtype=np.float32)
    before[0] = 0.0
    for number, diagonal in enumerate(skewed):
        corner, up, left = before[:-1], last[:-1], last[1:]
        step = np.full(rows, LEFT, dtype=np.int8)
        step[(up < corner) & (up < left)] = UP
        step[(corner < up) & (corner < left)] = DIAGONAL
        trace[number] = step
        best = np.choose(step, (corner, up, left))
        before, last = last, np.concatenate(([np.float32(np.inf)], (diagonal + best).astype(np.float32)))
    return _backtrace(trace, rows, columns)


def _backtrace(trace: NDArray[np.int8], rows: int, columns: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    row, column = rows - 1, columns - 1
    path = [(row, column)]
    while row > 0 or column > 0:
        step = _step_on_edge(row, column) if row == 0 or column == 0 else trace[row + column, row]
        row -= int(step != LEFT)
        column -= int(step != UP)
        path.append((row, column))
    ordered = np.array(path[::-1], dtype=np.int64)
    return ordered[:, 0], ordered[:, 1]


def _step_on_edge(row: int, column: int) -> int:
    """Returns the only step there is: left along the first row, up along the first column."""
    return LEFT if row == 0 and column > 0 else UP

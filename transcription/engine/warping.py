"""Dynamic time warping in numpy, with openai-whisper's ties and without its compiler."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def arrivals(cost: NDArray[np.float32]) -> NDArray[np.int64]:
    """Returns the columns at which the cheapest monotonic path through a matrix reaches each row, the first at 0.

    cost: (rows, columns), both at least 1. Same path as whisper.timing.dtw_cpu. A cell depends on the diagonals before
    its own only, so a whole diagonal is done at once.
    """
    rows, columns = cost.shape
    # Diagonal d is at d + 2 and row r at r + 1: row -1 and column -1 lie outside of the matrix.
    totals = np.full((rows + columns + 1, rows + 1), np.inf, dtype=np.float32)
    totals[0, 0] = 0.0
    for row in range(rows):
        totals[2 + row : 2 + row + columns, row + 1] = cost[row]
    best, tied = np.empty(rows, dtype=np.float32), np.empty(rows, dtype=bool)
    for before, last, own in zip(totals, totals[1:], totals[2:], strict=False):
        corner, up, left, own = before[:-1], last[:-1], last[1:], own[1:]
        np.minimum(corner, up, out=best)
        np.equal(corner, up, out=tied)
        # Of equal ones neither is taken, even where both are less than the one on the left.
        np.copyto(best, np.inf, where=tied)
        np.minimum(best, left, out=best)
        np.add(own, best, out=own)
    return _backtrace(totals, rows, columns)


def _backtrace(totals: NDArray[np.float32], rows: int, columns: int) -> NDArray[np.int64]:
    reached = np.zeros(rows, dtype=np.int64)
    row, column = rows - 1, columns - 1
    while row > 0:
        diagonal = row + column + 2
        corner, up, left = totals[diagonal - 2, row], totals[diagonal - 1, row], totals[diagonal - 1, row + 1]
        is_corner, is_up = corner < up and corner < left, up < corner and up < left
        if column == 0 or is_corner or is_up:
            reached[row] = column
            row -= 1
        if column > 0 and not is_up:
            column -= 1
    return reached

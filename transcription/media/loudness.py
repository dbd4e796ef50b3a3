"""A stretch of a recording's loudness, without numpy, which web processes do not import."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

BLOCK_SECONDS = 0.05


def stretch(values: Sequence[int], step: float, start: float, end: float, most: int) -> tuple[float, float, list[int]]:
    """Returns the values from `start` to `end` seconds, each of `step` seconds, with their first time and step.

    Of more than `most` several become one, the largest of them.
    """
    first = max(0, int(start / step))
    wanted = values[first : max(first, ceil(end / step))]
    by = max(1, ceil(len(wanted) / most))
    return first * step, by * step, [max(wanted[at : at + by]) for at in range(0, len(wanted), by)]

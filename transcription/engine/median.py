"""The median of seven arrays, in numpy or torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")

WIDTH = 7

EXCHANGES = ((0, 5), (0, 3), (1, 6), (2, 4), (0, 1), (3, 5), (2, 6), (2, 3), (3, 6), (4, 5), (1, 4), (1, 3), (3, 4))
"""Pairs that are put in order one after another, after which the fourth of seven is the median.

N. Devillard, "Fast median search", 1998. Thirteen pairs of whole arrays cost less than sorting seven values at each
place, and sort no indices.
"""


def median_of_seven(values: Sequence[T], lower: Callable[[T, T], T], upper: Callable[[T, T], T]) -> T:
    """Returns the median at each place of seven arrays of one shape.

    lower, upper: the smaller and the larger of two arrays at each place. Where `lower` leaves out what is no number and
    `upper` returns it, as fmin and maximum do, it counts as the largest, as when sorting.
    """
    found = list(values)
    for one, other in EXCHANGES:
        found[one], found[other] = lower(found[one], found[other]), upper(found[one], found[other])
    return found[WIDTH // 2]

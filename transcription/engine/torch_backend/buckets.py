"""The few sizes that a step comes in: a graph is captured for each."""

from __future__ import annotations

from collections.abc import Sequence

CONTEXT_BUCKETS = (64, 128, 256)
"""Positions of the cache that a step may read, besides all of them."""


BATCH_BUCKETS = (1, 2, 4, 8, 16, 24, 32, 40, 48, 56)
"""Rows of a step for which a graph is captured, besides multiples of 64 and all of them: at most a seventh of the rows
from 48 on, and a quarter from 32 on, is computed for nothing."""

AUDIO_BUCKETS = (600, 1100)
"""Positions of encodings that a step may read, besides all of them: of windows of 6 s and of 15 s with padding."""


def audio_sizes(whole: int) -> list[int]:
    return [*(size for size in AUDIO_BUCKETS if size < whole), whole]


def context_sizes(context: int) -> list[int]:
    return [*(size for size in CONTEXT_BUCKETS if size < context), context]


def batch_sizes(slots: int, cuda: bool) -> list[int]:
    """Some sizes where graphs are captured, and else any number."""
    if not cuda:
        return list(range(1, slots + 1))
    return [*(size for size in (*BATCH_BUCKETS, *range(64, slots, 64)) if size < slots), slots]


def smallest(sizes: Sequence[int], needed: int) -> int:
    """Returns the first of some ascending sizes that is enough. Raises StopIteration if none is."""
    return next(size for size in sizes if size >= needed)

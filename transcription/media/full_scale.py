"""Finds what full scale is in PCM of floating-point numbers, which some programs write as large as whole ones."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

SCALES = (2.0**15, 2.0**23, 2.0**31)
FAR_ABOVE = 8.0
"""Up to here samples above 1 are what they are elsewhere: clipped."""

MEASURED_SECONDS = 600
BLOCK_BYTES = 1 << 16
LEAST_BYTES = 1 << 12
LOUD_SHARE = 99
"""The percentage of a block's samples below its level, so that no single one decides."""


def full_scale(chunks: Iterable[bytes]) -> float:
    """Returns what stands for 1 in f32le; 1 if nothing else is likely."""
    level, block, is_first = 0.0, bytearray(), True
    for chunk in chunks:
        block += chunk
        if len(block) >= BLOCK_BYTES:
            level, is_first = max(level, _level(block)), False
            del block[: len(block) // 4 * 4]
    if is_first or len(block) >= LEAST_BYTES:
        level = max(level, _level(block))
    if level <= FAR_ABOVE:
        return 1.0
    return next((scale for scale in SCALES if level <= 2 * scale), 1.0)


def _level(block: bytearray) -> float:
    samples = np.abs(np.frombuffer(bytes(block[: len(block) // 4 * 4]), dtype="<f4"))
    numbers = samples[np.isfinite(samples)]
    return float(np.percentile(numbers, LOUD_SHARE)) if len(numbers) else 0.0

"""Attention of a few queries over 8-bit keys and values, in Triton: reads each of them once, and nothing larger.

Runs in Triton's interpreter in the tests, and HAS NOT RUN on a GPU yet.
"""

# ruff: noqa: ANN001, ANN202 -- Triton takes annotations for names that the kernel uses
from __future__ import annotations

import math

import triton  # type: ignore[import-untyped]
import triton.language as tl  # type: ignore[import-untyped]
from torch import Tensor

BLOCK = 128
"""Positions that a program reads at a time: 8 KiB of keys and as much of values."""

LOG2_E = tl.constexpr(math.log2(math.e))


@triton.jit(do_not_specialize=["positions"])  # type: ignore[untyped-decorator]
def _attend(  # type: ignore[no-untyped-def]
    out,
    query,
    keys,
    key_scales,
    values,
    value_scales,
    mask,
    factor,
    positions,
    queries,
    query_row,
    query_head,
    query_each,
    row,
    head,
    scale_row,
    scale_head,
    mask_row,
    MASKED: tl.constexpr,
    WIDTH: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """A program is a query of a row and a head. The softmax is taken as positions are read, in powers of two."""
    # Of one window's cache, which is larger than 2 ** 31 bytes for all of them.
    at_row = (tl.program_id(0) // queries).to(tl.int64)
    at_query = tl.program_id(0) % queries
    at_head = tl.program_id(1)
    channels = tl.arange(0, WIDTH)
    own = query + at_row * query_row + at_head * query_head + at_query * query_each
    asked = tl.load(own + channels).to(tl.float32) * factor
    keys += at_row * row + at_head * head
    values += at_row * row + at_head * head
    key_scales += at_row * scale_row + at_head * scale_head
    value_scales += at_row * scale_row + at_head * scale_head
    greatest = -float("inf")
    total = 0.0
    mixed = tl.zeros([WIDTH], dtype=tl.float32)
    for begin in range(0, positions, BLOCK):
        at = begin + tl.arange(0, BLOCK)
        there = at < positions
        tile = at[:, None] * WIDTH + channels[None, :]
        # Both are asked for before either is used.
        key = tl.load(keys + tile, mask=there[:, None], other=0)
        value = tl.load(values + tile, mask=there[:, None], other=0)
        scores = tl.sum(key.to(tl.float32) * asked[None, :], axis=1)
        scores *= tl.load(key_scales + at, mask=there, other=0.0).to(tl.float32)
        if MASKED:
            scores += tl.load(mask + at_row * mask_row + at, mask=there, other=0.0).to(tl.float32) * LOG2_E
        scores = tl.where(there, scores, -float("inf"))
        higher = tl.maximum(greatest, tl.max(scores, axis=0))
        # Where all positions so far are hidden.
        shift = tl.where(higher == -float("inf"), 0.0, higher)
        faded = tl.exp2(greatest - shift)
        weights = tl.exp2(scores - shift)
        total = total * faded + tl.sum(weights, axis=0)
        weights *= tl.load(value_scales + at, mask=there, other=0.0).to(tl.float32)
        mixed = mixed * faded + tl.sum(value.to(tl.float32) * weights[:, None], axis=0)
        greatest = higher
    result = (mixed / total).to(out.dtype.element_ty)
    # `out` is contiguous: (rows, heads, queries, width).
    at_out = (at_row * tl.num_programs(1) + at_head) * queries + at_query
    tl.store(out + at_out * WIDTH + channels, result)


def attend_by_kernel(
    query: Tensor, keys: Tensor, key_scales: Tensor, values: Tensor, value_scales: Tensor, mask: Tensor | None
) -> Tensor:
    """Returns what int8.attend_eagerly does, within rounding.

    keys and values may be the first positions of longer ones; a position's channels are adjacent, and positions are.
    """
    rows, heads, queries, width = query.shape
    out = query.new_empty(query.shape)
    _attend[(rows * queries, heads)](
        out,
        query,
        keys,
        key_scales,
        values,
        value_scales,
        query if mask is None else mask,
        LOG2_E.value * width**-0.5,
        keys.shape[2],
        queries,
        *query.stride()[:3],
        *keys.stride()[:2],
        *key_scales.stride()[:2],
        0 if mask is None else mask.stride(0),
        MASKED=mask is not None,
        WIDTH=width,
        BLOCK=BLOCK,
        num_warps=4,
    )
    return out

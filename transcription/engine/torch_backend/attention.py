"""Attention's reshaping, and the two ways in which a decoder looks at one encoding."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from transcription.engine.torch_backend.parameters import CrossAttention


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(batch, length, state) to (batch, heads, length, width)."""
    return x.view(*x.shape[:2], heads, -1).transpose(1, 2)


def merge_heads(x: Tensor) -> Tensor:
    """(batch, heads, length, width) to (batch, length, state)."""
    return x.transpose(1, 2).flatten(2)


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, causal: bool = False) -> Tensor:
    """softmax(q k / sqrt(width)) v, all (batch, heads, length, width).

    mask: added to the scores, broadcast to (batch, heads, queries, keys).
    """
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=causal)


def cross_keys_values(cross: CrossAttention, encodings: Tensor, heads: int) -> tuple[Tensor, Tensor]:
    """Key and value of (batch, 1500, state), each (batch, heads, 1500, width)."""
    key, value = cross.kv(encodings).chunk(2, dim=-1)
    return split_heads(key, heads), split_heads(value, heads)


def absorbed_attention(cross: CrossAttention, query: Tensor, encodings: Tensor) -> Tensor:
    """Cross-attention without keys and values: their projections are applied to the query.

    query: (batch, heads, queries, width); encodings: (batch, 1500, state); returns the query's shape.

    q·(W x) = (Wᵀ q)·x, and a weighted mean of W x + b is W times the weighted mean of x, plus b:
    for a single query this is a hundredth of the work of projecting all 1500 positions. The key's
    bias adds the same to every position's score and may be left out.
    """
    batch, heads, queries, width = query.shape
    key, value = (part.view(heads, width, -1) for part in cross.kv.weight.chunk(2))
    absorbed = _by_head(query * width**-0.5) @ key
    absorbed = absorbed.view(heads, batch, queries, -1).transpose(0, 1).flatten(1, 2)
    # (batch, heads * queries, 1500): all heads look at the same positions.
    scores = absorbed @ encodings.transpose(1, 2)
    mixed = (scores.softmax(dim=-1) @ encodings).view(batch, heads, queries, -1)
    result = (_by_head(mixed) @ value.transpose(1, 2)).view(heads, batch, queries, width).transpose(0, 1)
    assert cross.kv.bias is not None
    return result + cross.kv.bias.chunk(2)[1].view(heads, 1, width)


def _by_head(x: Tensor) -> Tensor:
    """(batch, heads, queries, n) to (heads, batch * queries, n)."""
    return x.transpose(0, 1).flatten(1, 2)

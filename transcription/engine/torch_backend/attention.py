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

    query: (batch, heads, 1, width); encodings: (batch, 1500, state); returns the query's shape.

    q·(W x) = (Wᵀ q)·x, and a weighted mean of W x + b is W times the weighted mean of x, plus b:
    for a single query this is a hundredth of the work of projecting all 1500 positions.
    """
    heads, width = query.shape[1], query.shape[-1]
    key, value = (part.view(heads, width, -1) for part in cross.kv.weight.chunk(2))
    absorbed = (query * width**-0.5).squeeze(2).transpose(0, 1) @ key
    scores = absorbed.transpose(0, 1) @ encodings.transpose(1, 2)
    mixed = scores.softmax(dim=-1) @ encodings
    result = (mixed.transpose(0, 1) @ value.transpose(1, 2)).transpose(0, 1)
    assert cross.kv.bias is not None
    mean: Tensor = result + cross.kv.bias.chunk(2)[1].view(heads, width)
    return mean.unsqueeze(2)

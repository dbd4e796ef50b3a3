"""The reshaping for attention, and the cross-attention of a decoder with and without stored keys and values."""

from __future__ import annotations

from torch import Tensor

from transcription.engine.torch_backend.parameters import CrossAttention


def split_heads(x: Tensor, heads: int) -> Tensor:
    """Reshapes (batch, length, state) to (batch, heads, length, width)."""
    return x.view(*x.shape[:2], heads, -1).transpose(1, 2)


def merge_heads(x: Tensor) -> Tensor:
    """Reshapes (batch, heads, length, width) to (batch, length, state)."""
    return x.transpose(1, 2).flatten(2)


def cross_keys_values(cross: CrossAttention, encodings: Tensor, heads: int) -> tuple[Tensor, Tensor]:
    """Returns key and value of encodings, (batch, 1500, state); each is (batch, heads, 1500, width)."""
    key, value = cross.kv(encodings).chunk(2, dim=-1)
    return split_heads(key, heads), split_heads(value, heads)


def absorbed_attention(cross: CrossAttention, query: Tensor, encodings: Tensor, mask: Tensor | None = None) -> Tensor:
    """Returns cross-attention without keys and values: their projections are applied to the query instead.

    query, result: (batch, heads, queries, width). encodings: (batch, 1500, state). mask: (batch, 1, 1, 1500), added to
    the scores.

    q·(W x) = (Wᵀ q)·x, and a weighted mean of W x + b is W times the weighted mean of x, plus b. For a single query
    this is a hundredth of the work of projecting all 1500 positions. The key's bias is left out, as it adds the same
    to the score of every position.
    """
    batch, heads, queries, width = query.shape
    key, value = (part.view(heads, width, -1) for part in cross.kv.weight.to(query.dtype).chunk(2))
    absorbed = _by_head(query * width**-0.5) @ key
    absorbed = absorbed.view(heads, batch, queries, -1).transpose(0, 1).flatten(1, 2)
    # (batch, heads * queries, 1500): all heads attend to the same positions.
    scores = absorbed @ encodings.transpose(1, 2)
    scores = scores if mask is None else scores + mask[:, 0]
    mixed = (scores.softmax(dim=-1) @ encodings).view(batch, heads, queries, -1)
    result = (_by_head(mixed) @ value.transpose(1, 2)).view(heads, batch, queries, width).transpose(0, 1)
    assert cross.kv.bias is not None
    return result + cross.kv.bias.to(query.dtype).chunk(2)[1].view(heads, 1, width)


def _by_head(x: Tensor) -> Tensor:
    """Reshapes (batch, heads, queries, n) to (heads, batch * queries, n)."""
    return x.transpose(0, 1).flatten(1, 2)

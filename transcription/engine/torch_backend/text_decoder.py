"""Whisper's text decoder over a cache of slots, one token of every row at a time."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from transcription.engine.torch_backend.attention import absorbed_attention, merge_heads, split_heads
from transcription.engine.torch_backend.cache import SlotCache
from transcription.engine.torch_backend.parameters import CrossAttention, DecoderLayer, Parameters, SelfAttention


class TextDecoder:
    """Computes logits from tokens: the embedding and the layers of the text decoder."""

    def __init__(self, parameters: Parameters, cache: SlotCache) -> None:
        self._parameters = parameters
        self._cache = cache
        self._heads = parameters.dims.n_text_head
        self._rows = torch.arange(cache.keys.shape[1], device=parameters.device)
        self._contexts = torch.arange(parameters.dims.n_text_ctx, device=parameters.device)
        self._positions = torch.arange(parameters.dims.n_audio_ctx, device=parameters.device)

    def step(self, tokens: Tensor, positions: Tensor, context: int, audio_mask: Tensor | None = None) -> Tensor:
        """Feeds a token to each of the first rows, and returns the logits of the next one, float32 (rows, vocabulary).

        tokens, positions: (rows,), all beams of whole windows. context: how many positions of the cache are read;
        every position is below. audio_mask: for encodings of different lengths; without it all are whole. Writes the
        keys and values at the positions. Never waits for the device.
        """
        parameters = self._parameters
        x = (parameters.embedding[tokens] + parameters.text_positions[positions])[:, None]
        mask = self._mask(positions, context)
        for number, layer in enumerate(parameters.decoder):
            x = x + self._own_attention(number, layer.attention, x, positions, mask)
            x = layer.mlp(x + self._cross_attention(number, layer.cross, x, audio_mask))
        return (parameters.text_norm(x[:, 0]) @ parameters.embedding.T).float()

    def audio_mask(self, lengths: Tensor, width: int) -> Tensor:
        """Returns the mask to add to the scores of `width` positions of encodings, (windows, 1, 1, width).

        lengths: positions that each window's encoding has, (windows,).
        """
        return self._masked(self._positions[:width] >= lengths[:, None])

    def admit(self, rows: Tensor, encodings: Tensor, prompts: Tensor | None, audio_mask: Tensor | None = None) -> None:
        """Fills the cache rows of some windows.

        rows: (batch,). encodings: (batch, 1500, state). prompts: tokens of the first of these windows, from position
        0 on, (prompted, length), padded at the end; only the first beam of a window gets them. The cache entries of
        the padding are overwritten before any token attends to them. audio_mask: of the prompted windows, if any of
        their encodings is short.
        """
        self._cache.clear(rows)
        self._cache.cross.fill(rows, encodings)
        if prompts is not None:
            self._prefill(prompts, rows[: len(prompts)], audio_mask)

    def first_logits(self, token: int, encodings: Tensor) -> Tensor:
        """Returns the logits of what follows a single token, without a slot; float32, (batch, vocabulary)."""
        parameters = self._parameters
        x = parameters.embedding[token] + parameters.text_positions[0]
        x = x.expand(len(encodings), 1, -1)
        for layer in parameters.decoder:
            own = layer.attention
            # A token that is alone attends to itself: its value is the whole result.
            x = x + own.out(own.qkv(own.norm(x)).chunk(3, dim=-1)[2])
            query = split_heads(layer.cross.query(layer.cross.norm(x)), self._heads)
            x = x + layer.cross.out(merge_heads(absorbed_attention(layer.cross, query, encodings)))
            x = layer.mlp(x)
        return (parameters.text_norm(x[:, 0]) @ parameters.embedding.T).float()

    def _prefill(self, prompts: Tensor, rows: Tensor, audio_mask: Tensor | None) -> None:
        x = self._parameters.embedding[prompts] + self._parameters.text_positions[: prompts.shape[1]]
        for number, layer in enumerate(self._parameters.decoder):
            x = self._prefilled(number, layer, x, rows, audio_mask)

    def _mask(self, positions: Tensor, context: int) -> Tensor:
        """Returns the mask to add to the scores, (rows, 1, 1, context): minus infinity after the position."""
        return self._masked(self._contexts[:context] > positions[:, None])

    def _masked(self, hidden: Tensor) -> Tensor:
        """Returns minus infinity where something is hidden, (rows, 1, 1, positions)."""
        mask = torch.zeros(hidden.shape, dtype=self._parameters.embedding.dtype, device=hidden.device)
        return mask.masked_fill_(hidden, -torch.inf)[:, None, None]

    def _own_attention(self, number: int, layer: SelfAttention, x: Tensor, positions: Tensor, mask: Tensor) -> Tensor:
        query, key, value = (split_heads(part, self._heads) for part in layer.qkv(layer.norm(x)).chunk(3, dim=-1))
        rows = len(x)
        keys, values = self._cache.own(number, rows, mask.shape[-1])
        keys[self._rows[:rows], :, positions] = key[:, :, 0]
        values[self._rows[:rows], :, positions] = value[:, :, 0]
        return layer.out(merge_heads(F.scaled_dot_product_attention(query, keys, values, mask)))

    def _cross_attention(self, number: int, layer: CrossAttention, x: Tensor, audio_mask: Tensor | None) -> Tensor:
        """Returns (rows, 1, state) for x of that shape. The beams of a window are the queries of one attention."""
        beams = x.view(-1, self._cache.beams, x.shape[-1])
        query = split_heads(layer.query(layer.norm(beams)), self._heads)
        return layer.out(merge_heads(self._cache.cross.attend(number, query, audio_mask))).view(x.shape)

    def _prefilled(
        self, number: int, layer: DecoderLayer, x: Tensor, rows: Tensor, audio_mask: Tensor | None
    ) -> Tensor:
        """Runs one layer over whole prompts, (batch, length, state), and caches their keys and values."""
        own, cross, length = layer.attention, layer.cross, x.shape[1]
        query, key, value = (split_heads(part, self._heads) for part in own.qkv(own.norm(x)).chunk(3, dim=-1))
        first = rows * self._cache.beams
        self._cache.keys[number, :, :, :length].index_copy_(0, first, key)
        self._cache.values[number, :, :, :length].index_copy_(0, first, value)
        x = x + own.out(merge_heads(F.scaled_dot_product_attention(query, key, value, is_causal=True)))
        query = split_heads(cross.query(cross.norm(x)), self._heads)
        keys, values = self._cache.cross.keys_values(number, rows)
        x = x + cross.out(merge_heads(F.scaled_dot_product_attention(query, keys, values, audio_mask)))
        return layer.mlp(x)

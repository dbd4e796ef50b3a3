"""The text half of Whisper, one token a row at a time, over a cache of slots."""

from __future__ import annotations

import torch
from torch import Tensor

from transcription.engine.torch_backend.attention import (
    absorbed_attention,
    attend,
    cross_keys_values,
    merge_heads,
    split_heads,
)
from transcription.engine.torch_backend.cache import SlotCache
from transcription.engine.torch_backend.parameters import DecoderLayer, Parameters, SelfAttention


class TextDecoder:
    """The layers and nothing else: which token comes next is decided elsewhere."""

    def __init__(self, parameters: Parameters, cache: SlotCache) -> None:
        self._parameters = parameters
        self._cache = cache
        self._heads = parameters.dims.n_text_head
        self._rows = torch.arange(cache.keys.shape[1], device=parameters.device)
        self._contexts = torch.arange(parameters.dims.n_text_ctx, device=parameters.device)

    def step(self, tokens: Tensor, positions: Tensor, context: int) -> Tensor:
        """Logits of what follows the first rows' tokens; float32, (rows, vocabulary).

        tokens, positions: (rows,); every position is below `context`, up to which the cache
        is read. Writes keys and values at the positions. Never waits for the device.
        """
        parameters = self._parameters
        rows = len(tokens)
        x = (parameters.embedding[tokens] + parameters.text_positions[positions])[:, None]
        mask = self._mask(positions, context, x.dtype)
        for number, layer in enumerate(parameters.decoder):
            x = x + self._own_attention(number, layer.attention, x, positions, mask)
            key, value = self._cache.cross(number, rows)
            x = layer.mlp(x + self._cross_attention(layer, x, key, value))
        return (parameters.text_norm(x[:, 0]) @ parameters.embedding.T).float()

    def admit(self, rows: Tensor, encodings: Tensor, prompts: Tensor | None) -> None:
        """Fill the cache of some rows.

        rows: (batch,); encodings: (batch, 1500, state); prompts: tokens from position 0,
        (prompted, length), of the first of these rows, padded at the end. What padding leaves
        in the cache is written over before anything attends to it.
        """
        x = self._embedded(prompts) if prompts is not None else None
        for number, layer in enumerate(self._parameters.decoder):
            key, value = cross_keys_values(layer.cross, encodings, self._heads)
            self._cache.cross_keys[number].index_copy_(0, rows, key)
            self._cache.cross_values[number].index_copy_(0, rows, value)
            if x is not None:
                x = self._prefilled(number, layer, x, rows[: len(x)], key[: len(x)], value[: len(x)])

    def first_logits(self, token: int, encodings: Tensor) -> Tensor:
        """Logits of what follows a single token, without any slot; float32, (batch, vocabulary)."""
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

    def _embedded(self, tokens: Tensor) -> Tensor:
        return self._parameters.embedding[tokens] + self._parameters.text_positions[: tokens.shape[1]]

    def _mask(self, positions: Tensor, context: int, dtype: torch.dtype) -> Tensor:
        """What to add to the scores, (rows, 1, 1, context): minus infinity after the position."""
        hidden = self._contexts[:context] > positions[:, None]
        mask = torch.zeros(hidden.shape, dtype=dtype, device=hidden.device)
        return mask.masked_fill_(hidden, -torch.inf)[:, None, None]

    def _own_attention(self, number: int, layer: SelfAttention, x: Tensor, positions: Tensor, mask: Tensor) -> Tensor:
        query, key, value = (split_heads(part, self._heads) for part in layer.qkv(layer.norm(x)).chunk(3, dim=-1))
        rows = len(x)
        keys, values = self._cache.own(number, rows, mask.shape[-1])
        keys[self._rows[:rows], :, positions] = key[:, :, 0]
        values[self._rows[:rows], :, positions] = value[:, :, 0]
        return layer.out(merge_heads(attend(query, keys, values, mask=mask)))

    def _cross_attention(self, layer: DecoderLayer, x: Tensor, key: Tensor, value: Tensor) -> Tensor:
        query = split_heads(layer.cross.query(layer.cross.norm(x)), self._heads)
        return layer.cross.out(merge_heads(attend(query, key, value)))

    def _prefilled(
        self, number: int, layer: DecoderLayer, x: Tensor, rows: Tensor, cross_key: Tensor, cross_value: Tensor
    ) -> Tensor:
        """One layer over whole prompts, (batch, length, state), whose keys and values are kept."""
        own, length = layer.attention, x.shape[1]
        query, key, value = (split_heads(part, self._heads) for part in own.qkv(own.norm(x)).chunk(3, dim=-1))
        self._cache.keys[number, :, :, :length].index_copy_(0, rows, key)
        self._cache.values[number, :, :, :length].index_copy_(0, rows, value)
        x = x + own.out(merge_heads(attend(query, key, value, causal=True)))
        return layer.mlp(x + self._cross_attention(layer, x, cross_key, cross_value))

"""The cache of the cross-attention, and the attention over it.

There are three kinds, two of which differ by rounding only. Figures are large-v3's in fp16; docs/engine.md has more.

`keys_values` projects on admission and keeps 245.8 MB a window, all of which a step reads once.

`int8` keeps the same in 8 bits, 126.7 MB a window, which one kernel reads once (int8_kernel.py). Its numbers are not
those of the weights: `python -m benchmarks.int8` compares texts.

`absorbed` keeps the encoding alone, 3.84 MB a window, which each layer of a step reads twice, beside weights that the
others don't read: as many bytes as `keys_values`. So it is for little memory, where it gives four times the slots
(memory.best_cross). None of this has been timed on a GPU.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from transcription.engine.torch_backend.attention import absorbed_attention, cross_keys_values
from transcription.engine.torch_backend.int8 import SCALE_TYPE, attend, quantised, restored
from transcription.engine.torch_backend.memory import FILLED_WINDOWS
from transcription.engine.torch_backend.parameters import Parameters

CrossName = Literal["keys_values", "int8", "absorbed"]

CrossChoice = Literal["auto", CrossName]
"""What an operator asks for; "auto" is memory.best_cross."""


class Cross(Protocol):
    """Static tensors with a row for every window. Nothing here waits for the device."""

    def fill(self, rows: Tensor, encodings: Tensor) -> None:
        """Writes windows to some rows. rows: (batch,); encodings: (batch, 1500, state)."""

    def attend(self, layer: int, query: Tensor, mask: Tensor | None = None) -> Tensor:
        """Returns the attention of queries over the first rows; both are (rows, heads, queries, width).

        mask: added to the scores of the first positions, (rows, 1, 1, positions); no others are read.
        """

    def keys_values(self, layer: int, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Returns key and value of some rows, each (batch, heads, 1500, width), for many queries at once."""

    def move(self, source: int, target: int) -> None:
        """Copies a row over another one."""


class KeysValues:
    """Stores keys and values, projected once for every window, as (layers, rows, heads, 1500, width) each."""

    def __init__(self, parameters: Parameters, rows: int) -> None:
        dims = parameters.dims
        shape = (dims.n_text_layer, rows, dims.n_text_head, dims.n_audio_ctx, parameters.head_width)
        self._layers = parameters.decoder
        self._heads = dims.n_text_head
        self.keys = parameters.embedding.new_zeros(shape)
        self.values = parameters.embedding.new_zeros(shape)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All that is kept, as `_stored` returns it."""
        return self.keys, self.values

    def fill(self, rows: Tensor, encodings: Tensor) -> None:
        # A few windows at a time, whose keys and values there is memory for.
        for some, few in zip(torch.split(rows, FILLED_WINDOWS), torch.split(encodings, FILLED_WINDOWS), strict=True):
            for number, layer in enumerate(self._layers):
                key, value = cross_keys_values(layer.cross, few, self._heads)
                for kept, part in zip(self.tensors, self._stored(key, value), strict=True):
                    kept[number].index_copy_(0, some, part)

    def _stored(self, key: Tensor, value: Tensor) -> tuple[Tensor, ...]:
        """Returns what `tensors` keep of keys and values."""
        return key, value

    def attend(self, layer: int, query: Tensor, mask: Tensor | None = None) -> Tensor:
        keys, values = (kept[layer, : len(query), :, _read(mask)] for kept in self.tensors)
        return F.scaled_dot_product_attention(query, keys, values, mask)

    def keys_values(self, layer: int, rows: Tensor) -> tuple[Tensor, Tensor]:
        return self.keys[layer].index_select(0, rows), self.values[layer].index_select(0, rows)

    def move(self, source: int, target: int) -> None:
        for tensor in self.tensors:
            tensor[:, target].copy_(tensor[:, source])


class Int8KeysValues(KeysValues):
    """Stores keys and values as KeysValues does, in 8 bits, with a scale for each position of a head."""

    def __init__(self, parameters: Parameters, rows: int) -> None:
        dims = parameters.dims
        shape = (dims.n_text_layer, rows, dims.n_text_head, dims.n_audio_ctx)
        self._layers = parameters.decoder
        self._heads = dims.n_text_head
        self._dtype = parameters.dtype
        self.keys = parameters.embedding.new_zeros((*shape, parameters.head_width), dtype=torch.int8)
        self.key_scales = parameters.embedding.new_zeros(shape, dtype=SCALE_TYPE)
        self.values, self.value_scales = torch.zeros_like(self.keys), torch.zeros_like(self.key_scales)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        return self.keys, self.key_scales, self.values, self.value_scales

    def _stored(self, key: Tensor, value: Tensor) -> tuple[Tensor, ...]:
        return *quantised(key), *quantised(value)

    def attend(self, layer: int, query: Tensor, mask: Tensor | None = None) -> Tensor:
        parts = [kept[layer, : len(query), :, _read(mask)] for kept in self.tensors]
        attended: Tensor = attend(query, *parts, mask)
        return attended

    def keys_values(self, layer: int, rows: Tensor) -> tuple[Tensor, Tensor]:
        keys, key_scales, values, value_scales = (kept[layer].index_select(0, rows) for kept in self.tensors)
        return restored(keys, key_scales, self._dtype), restored(values, value_scales, self._dtype)


class Absorbed:
    """Stores the encodings, (rows, 1500, state), and projects the queries instead."""

    def __init__(self, parameters: Parameters, rows: int) -> None:
        dims = parameters.dims
        self._layers = parameters.decoder
        self._heads = dims.n_text_head
        self.encodings = parameters.embedding.new_zeros((rows, dims.n_audio_ctx, dims.n_audio_state))

    def fill(self, rows: Tensor, encodings: Tensor) -> None:
        self.encodings.index_copy_(0, rows, encodings)

    def attend(self, layer: int, query: Tensor, mask: Tensor | None = None) -> Tensor:
        return absorbed_attention(self._layers[layer].cross, query, self.encodings[: len(query), _read(mask)], mask)

    def keys_values(self, layer: int, rows: Tensor) -> tuple[Tensor, Tensor]:
        # From about 70 queries on, projecting costs less than absorbing.
        return cross_keys_values(self._layers[layer].cross, self.encodings.index_select(0, rows), self._heads)

    def move(self, source: int, target: int) -> None:
        self.encodings[target].copy_(self.encodings[source])


def _read(mask: Tensor | None) -> slice:
    """Returns which positions are read with a mask."""
    return slice(None if mask is None else mask.shape[-1])


CROSSES: dict[CrossName, Callable[[Parameters, int], Cross]] = {
    "keys_values": KeysValues,
    "int8": Int8KeysValues,
    "absorbed": Absorbed,
}

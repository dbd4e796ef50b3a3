"""The decoder's keys and values: allocated once, never moved, a row for every slot."""

from __future__ import annotations

from torch import Tensor

from transcription.engine.torch_backend.parameters import Parameters


class SlotCache:
    """Static key/value tensors, each (layers, rows, heads, positions, width).

    They begin as zeros: a masked position weighs nothing, but nothing times NaN is NaN.
    """

    def __init__(self, parameters: Parameters, rows: int) -> None:
        dims = parameters.dims
        self._shape = (dims.n_text_layer, rows, dims.n_text_head)
        self._like = parameters.embedding
        width = parameters.head_width
        self.keys = self._zeros(dims.n_text_ctx, width)
        self.values = self._zeros(dims.n_text_ctx, width)
        self.cross_keys = self._zeros(dims.n_audio_ctx, width)
        self.cross_values = self._zeros(dims.n_audio_ctx, width)

    def own(self, layer: int, rows: int, context: int) -> tuple[Tensor, Tensor]:
        """Self-attention's key and value as views, (rows, heads, context, width)."""
        return self.keys[layer, :rows, :, :context], self.values[layer, :rows, :, :context]

    def cross(self, layer: int, rows: int) -> tuple[Tensor, Tensor]:
        """Cross-attention's key and value as views, (rows, heads, 1500, width)."""
        return self.cross_keys[layer, :rows], self.cross_values[layer, :rows]

    def move(self, source: int, target: int) -> None:
        """Copy a row over another one."""
        for tensor in (self.keys, self.values, self.cross_keys, self.cross_values):
            tensor[:, target].copy_(tensor[:, source])

    def _zeros(self, positions: int, width: int) -> Tensor:
        return self._like.new_zeros((*self._shape, positions, width))

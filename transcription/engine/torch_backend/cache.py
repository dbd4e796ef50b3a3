"""The key-value cache of the decoder: allocated once, at fixed addresses, with a row for every slot."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from transcription.engine.torch_backend.cross import CROSSES, Cross, CrossName
from transcription.engine.torch_backend.parameters import Parameters


class SlotCache:
    """Self-attention's keys and values, (layers, rows * beams, heads, positions, width) each, and the `cross` cache.

    A window has `beams` adjacent rows of keys and values, and one row in `cross`, which its beams share.
    """

    def __init__(self, parameters: Parameters, rows: int, cross: CrossName = "keys_values", beams: int = 1) -> None:
        dims = parameters.dims
        shape = (dims.n_text_layer, rows * beams, dims.n_text_head, dims.n_text_ctx, parameters.head_width)
        self.beams = beams
        self.keys = parameters.embedding.new_zeros(shape)
        self.values = parameters.embedding.new_zeros(shape)
        self.cross: Cross = CROSSES[cross](parameters, rows)
        # Allocated once: a reordering that ran out of memory would leave some layers in the old order.
        self._scratch = self.keys.new_empty(self.keys[0].numel() if beams > 1 else 0)

    def own(self, layer: int, rows: int, context: int) -> tuple[Tensor, Tensor]:
        """Returns self-attention's keys and values of the first rows as views, (rows, heads, context, width)."""
        return self.keys[layer, :rows, :, :context], self.values[layer, :rows, :, :context]

    def clear(self, rows: Tensor) -> None:
        """Sets the rows of windows, (batch,), to zero.

        A masked position has the weight 0, but 0 times NaN is NaN: the NaN of a window with a broken encoding would
        spread to the next one in its row.
        """
        if self.beams > 1:
            rows = (rows[:, None] * self.beams + torch.arange(self.beams, device=rows.device)).flatten()
        for tensor in (self.keys, self.values):
            tensor.index_fill_(1, rows, 0.0)

    def move(self, source: int, target: int) -> None:
        """Copies a window's row over another one's."""
        self.cross.move(source, target)
        beams = self.beams
        for tensor in (self.keys, self.values):
            tensor[:, target * beams : (target + 1) * beams].copy_(tensor[:, source * beams : (source + 1) * beams])

    def reorder(self, sources: Tensor, targets: Tensor, context: int) -> None:
        """Copies the rows `sources` to the rows `targets`, (n,) each, as if all at once; no target occurs twice.

        context: how many positions to copy. Neither waits for the device nor allocates memory on it.
        """
        shape = (len(sources), self.keys.shape[2], context, self.keys.shape[4])
        layers = self._scratch.numel() // math.prod(shape)
        for tensor in (self.keys, self.values):
            for part in torch.split(tensor[:, :, :, :context], layers):
                moved = self._scratch[: len(part) * math.prod(shape)].view(len(part), *shape)
                torch.index_select(part, 1, sources, out=moved)
                part.index_copy_(1, targets, moved)

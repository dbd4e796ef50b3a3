"""The audio half of Whisper."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from transcription.engine.torch_backend.attention import merge_heads, split_heads
from transcription.engine.torch_backend.parameters import AudioParameters, EncoderLayer


class Encoder:
    """Log-mel windows to encodings, in batches; safe to call from several threads."""

    def __init__(self, parameters: AudioParameters) -> None:
        self._parameters = parameters

    @torch.inference_mode()
    def __call__(self, mels: Tensor) -> Tensor:
        """mels: (batch, n_mels, frames) in any float dtype; returns (batch, frames // 2, state).

        Raises ValueError for an odd number of frames and for more than 3000.
        """
        parameters = self._parameters
        frames, most = mels.shape[-1], 2 * len(parameters.positions)
        if frames % 2 or not 0 < frames <= most:
            raise ValueError(f"a window has an even number of frames up to {most}, not {frames}")
        x = mels.to(parameters.device, parameters.dtype)
        x = F.gelu(F.conv1d(x, parameters.conv1.weight, parameters.conv1.bias, padding=1))
        x = F.gelu(F.conv1d(x, parameters.conv2.weight, parameters.conv2.bias, stride=2, padding=1))
        x = (x.transpose(1, 2) + parameters.positions[: frames // 2]).to(parameters.dtype)
        for layer in parameters.layers:
            x = self._layer(layer, x)
        return parameters.norm(x)

    def _layer(self, layer: EncoderLayer, x: Tensor) -> Tensor:
        heads = self._parameters.heads
        attention = layer.attention
        query, key, value = (split_heads(part, heads) for part in attention.qkv(attention.norm(x)).chunk(3, dim=-1))
        return layer.mlp(x + attention.out(merge_heads(F.scaled_dot_product_attention(query, key, value))))

"""Whisper's encoder for CPUs that multiply bfloat16 by themselves (AVX-512 BF16, AMX, Arm's BF16).

Products take bfloat16 and are summed in fp32, by oneDNN; the residual and the normalisations stay
fp32. That is nearer to fp32 than int8 is, and faster.
"""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from transcription.engine.torch_backend.encoder import check_length
from transcription.engine.torch_backend.parameters import AudioParameters, EncoderLayer, Linear

SCORES = 3_000_000
"""Of the attention, held at a time: as many as stay in the caches from one product to the next."""


class Bfloat16Encoder:
    """A log-mel window to its encoding; safe to call from several threads."""

    def __init__(self, parameters: AudioParameters) -> None:
        """parameters: in fp32, on the CPU."""
        self._parameters = replace(
            parameters,
            conv1=_half(parameters.conv1),
            conv2=_half(parameters.conv2),
            layers=tuple(_halved(layer, parameters.heads) for layer in parameters.layers),
        )

    @torch.inference_mode()
    def __call__(self, mel: Tensor) -> Tensor:
        """mel: (n_mels, 3000) in any float dtype; returns (1500, state) in fp32.

        Raises ValueError for a window of another length.
        """
        parameters = self._parameters
        check_length(mel, parameters)
        x = mel[None].bfloat16()
        x = F.gelu(F.conv1d(x, parameters.conv1.weight, parameters.conv1.bias, padding=1))
        x = F.gelu(F.conv1d(x, parameters.conv2.weight, parameters.conv2.bias, stride=2, padding=1))
        x = x[0].T + parameters.positions
        for layer in parameters.layers:
            x = self._layer(layer, x)
        return parameters.norm(x)

    def _layer(self, layer: EncoderLayer, x: Tensor) -> Tensor:
        attention, mlp = layer.attention, layer.mlp
        qkv = attention.qkv(attention.norm(x).bfloat16())
        x = x + attention.out(_attended(qkv, self._parameters.heads))
        return x + mlp.narrow(F.gelu(mlp.widen(mlp.norm(x).bfloat16())))


def _attended(qkv: Tensor, heads: int) -> Tensor:
    """softmax(q k) v; qkv (length, 3 * state), returns (length, state).

    Some rows at a time. torch's own attention is no faster in bfloat16 than in fp32 on a CPU (2.13).
    """
    length = len(qkv)
    query, key, value = qkv.view(length, 3, heads, -1).permute(1, 2, 0, 3).contiguous()
    result = torch.empty_like(query)
    rows = max(1, SCORES // (heads * length))
    for at in range(0, length, rows):
        scores = torch.bmm(query[:, at : at + rows], key.transpose(1, 2))
        torch.bmm(scores.softmax(dim=-1), value, out=result[:, at : at + rows])
    return result.transpose(0, 1).flatten(1)


def _halved(layer: EncoderLayer, heads: int) -> EncoderLayer:
    """Its products in bfloat16. The query's carries the scores' 1/sqrt(width), a power of two: nothing is rounded."""
    attention, mlp = layer.attention, layer.mlp
    state = attention.out.weight.shape[0]
    scale = torch.ones(3 * state)
    scale[:state] = (state // heads) ** -0.5
    assert attention.qkv.bias is not None
    qkv = Linear(attention.qkv.weight * scale[:, None], attention.qkv.bias * scale)
    return EncoderLayer(
        replace(attention, qkv=_half(qkv), out=_half(attention.out)),
        replace(mlp, widen=_half(mlp.widen), narrow=_half(mlp.narrow)),
    )


def _half(linear: Linear) -> Linear:
    return Linear(linear.weight.bfloat16(), None if linear.bias is None else linear.bias.bfloat16())

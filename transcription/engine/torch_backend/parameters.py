"""Whisper's weights as our own encoder and decoder want them: in one dtype, projections fused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TypeVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from whisper.model import ModelDimensions, Whisper


@dataclass(frozen=True, slots=True)
class Linear:
    """weight: (outputs, inputs); bias: (outputs,)."""

    weight: Tensor
    bias: Tensor | None

    def __call__(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)


@dataclass(frozen=True, slots=True)
class WideLinear(Linear):
    """Computes in float32 with weights of another type, which are converted at each call."""

    def __call__(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight.float(), None if self.bias is None else self.bias.float())


@dataclass(frozen=True, slots=True)
class Norm:
    """Layer normalisation; torch computes it in fp32 whatever the dtype of its input."""

    weight: Tensor
    bias: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias)


@dataclass(frozen=True, slots=True)
class Mlp:
    norm: Norm
    widen: Linear
    narrow: Linear

    def __call__(self, x: Tensor) -> Tensor:
        """Returns x plus what the residual block adds; any shape (..., state)."""
        return x + self.narrow(F.gelu(self.widen(self.norm(x))))


@dataclass(frozen=True, slots=True)
class SelfAttention:
    """qkv: (3 * state, state): query, key and value in one product; the key's bias is zero."""

    norm: Norm
    qkv: Linear
    out: Linear


@dataclass(frozen=True, slots=True)
class CrossAttention:
    """kv: (2 * state, state), key over value, of the encoder's output."""

    norm: Norm
    query: Linear
    kv: Linear
    out: Linear


@dataclass(frozen=True, slots=True)
class EncoderLayer:
    attention: SelfAttention
    mlp: Mlp


@dataclass(frozen=True, slots=True)
class DecoderLayer:
    attention: SelfAttention
    cross: CrossAttention
    mlp: Mlp


@dataclass(frozen=True, slots=True)
class AudioParameters:
    """The encoder of a Whisper, on one device in one dtype.

    positions stays fp32, as openai-whisper adds it: (audio_ctx, state).
    """

    heads: int
    conv1: Linear
    conv2: Linear
    positions: Tensor
    layers: tuple[EncoderLayer, ...]
    norm: Norm

    @property
    def device(self) -> torch.device:
        return self.conv1.weight.device

    @property
    def dtype(self) -> torch.dtype:
        return self.conv1.weight.dtype


@dataclass(frozen=True, slots=True)
class Parameters:
    """All of a Whisper, on one device in one dtype.

    alignment_heads: pairs of (layer, head) whose cross-attention follows the speech.
    """

    dims: ModelDimensions
    audio: AudioParameters
    embedding: Tensor
    text_positions: Tensor
    decoder: tuple[DecoderLayer, ...]
    text_norm: Norm
    alignment_heads: tuple[tuple[int, int], ...]

    @property
    def device(self) -> torch.device:
        return self.embedding.device

    @property
    def dtype(self) -> torch.dtype:
        return self.embedding.dtype

    @property
    def head_width(self) -> int:
        return int(self.dims.n_text_state // self.dims.n_text_head)


def of_whisper(model: Whisper, device: torch.device | str = "cpu", dtype: torch.dtype | None = None) -> Parameters:
    """Takes the parameters of openai-whisper's module, which may be thrown away afterwards."""
    heads = [(int(layer), int(head)) for layer, head in model.alignment_heads.indices().T.tolist()]
    return of_state(model.dims, model.state_dict(), heads, device, dtype)


@torch.no_grad()
def of_state(
    dims: ModelDimensions,
    state: Mapping[str, Tensor],
    alignment_heads: list[tuple[int, int]],
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
) -> Parameters:
    """Builds the parameters from a state dict under openai-whisper's names, of any dimensions.

    dtype: fp16 on a GPU and fp32 elsewhere unless given. Never bf16: its 8 bits of mantissa flip more ties. Raises
    KeyError for a missing tensor.
    """
    where = torch.device(device)
    reader = _Reader(state, where, dtype or (torch.float16 if where.type == "cuda" else torch.float32))
    return Parameters(
        dims=dims,
        audio=reader.audio(dims.n_audio_layer, dims.n_audio_head),
        embedding=reader.tensor("decoder.token_embedding.weight"),
        text_positions=reader.tensor("decoder.positional_embedding"),
        decoder=tuple(reader.decoder_layer(f"decoder.blocks.{n}") for n in range(dims.n_text_layer)),
        text_norm=reader.norm("decoder.ln"),
        alignment_heads=tuple(alignment_heads),
    )


@torch.no_grad()
def in_float32(parameters: Parameters) -> Parameters:
    """Returns parameters that compute in float32. The layers' matrices stay as they are; all others are copied.

    For large-v3 the copies take 0.3 GB, mostly the embedding.
    """
    wide = _widened(parameters)
    audio = parameters.audio
    convolutions = [Linear(conv.weight.float(), _float(conv.bias)) for conv in (audio.conv1, audio.conv2)]
    return replace(wide, audio=replace(wide.audio, conv1=convolutions[0], conv2=convolutions[1]))


T = TypeVar("T")


def _widened(part: T) -> T:
    """Returns a part of the parameters, with all that it holds, for float32."""
    if isinstance(part, Tensor):
        return cast("T", part.float())
    if isinstance(part, Linear):
        return cast("T", WideLinear(part.weight, part.bias))
    if isinstance(part, tuple):
        return cast("T", tuple(map(_widened, part)))
    if is_dataclass(part) and not isinstance(part, (type, ModelDimensions)):
        return cast("T", replace(part, **{each.name: _widened(getattr(part, each.name)) for each in fields(part)}))
    return part


def _float(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.float()


@dataclass(frozen=True, slots=True)
class _Reader:
    state: Mapping[str, Tensor]
    device: torch.device
    dtype: torch.dtype

    def tensor(self, name: str) -> Tensor:
        return self.state[name].detach().to(self.device, self.dtype).contiguous()

    def linear(self, name: str) -> Linear:
        bias = self.tensor(f"{name}.bias") if f"{name}.bias" in self.state else None
        return Linear(self.tensor(f"{name}.weight"), bias)

    def norm(self, name: str) -> Norm:
        return Norm(self.tensor(f"{name}.weight"), self.tensor(f"{name}.bias"))

    def audio(self, layers: int, heads: int) -> AudioParameters:
        return AudioParameters(
            heads=heads,
            conv1=self.linear("encoder.conv1"),
            conv2=self.linear("encoder.conv2"),
            positions=self.state["encoder.positional_embedding"].to(self.device, torch.float32),
            layers=tuple(self.encoder_layer(f"encoder.blocks.{n}") for n in range(layers)),
            norm=self.norm("encoder.ln_post"),
        )

    def fused(self, *names: str) -> Linear:
        """Joins several projections of one input into one; a missing bias is zero."""
        parts = [self.linear(name) for name in names]
        biases = [part.weight.new_zeros(len(part.weight)) if part.bias is None else part.bias for part in parts]
        return Linear(torch.cat([part.weight for part in parts]), torch.cat(biases))

    def attention(self, name: str) -> SelfAttention:
        qkv = self.fused(f"{name}.attn.query", f"{name}.attn.key", f"{name}.attn.value")
        return SelfAttention(self.norm(f"{name}.attn_ln"), qkv, self.linear(f"{name}.attn.out"))

    def cross(self, name: str) -> CrossAttention:
        attention = f"{name}.cross_attn"
        return CrossAttention(
            norm=self.norm(f"{attention}_ln"),
            query=self.linear(f"{attention}.query"),
            kv=self.fused(f"{attention}.key", f"{attention}.value"),
            out=self.linear(f"{attention}.out"),
        )

    def mlp(self, name: str) -> Mlp:
        return Mlp(self.norm(f"{name}.mlp_ln"), self.linear(f"{name}.mlp.0"), self.linear(f"{name}.mlp.2"))

    def encoder_layer(self, name: str) -> EncoderLayer:
        return EncoderLayer(self.attention(name), self.mlp(name))

    def decoder_layer(self, name: str) -> DecoderLayer:
        return DecoderLayer(self.attention(name), self.cross(name), self.mlp(name))

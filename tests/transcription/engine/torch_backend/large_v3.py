"""Parameters without values: large-v3's true dimensions cost no memory."""

from __future__ import annotations

import torch
from torch import Tensor
from whisper.model import ModelDimensions

from transcription.engine.torch_backend.parameters import Parameters, of_state

LARGE_V3 = ModelDimensions(128, 1500, 1280, 20, 32, 51_866, 448, 1280, 20, 32)
HEADS = [(7, 0), (7, 11), (10, 3), (10, 17)]


def parameters_on(device: torch.device, dims: ModelDimensions = LARGE_V3) -> Parameters:
    """Returns fp16 parameters on the meta device, or on a fake one within FakeTensorMode."""
    return of_state(dims, state_dict_of(dims, device), HEADS, device, torch.float16)


def state_dict_of(dims: ModelDimensions, device: torch.device) -> dict[str, Tensor]:
    """Returns tensors without values by openai-whisper's names and in its shapes."""
    audio, text = dims.n_audio_state, dims.n_text_state
    shapes: dict[str, tuple[int, ...]] = {
        "encoder.conv1.weight": (audio, dims.n_mels, 3),
        "encoder.conv1.bias": (audio,),
        "encoder.conv2.weight": (audio, audio, 3),
        "encoder.conv2.bias": (audio,),
        "encoder.positional_embedding": (dims.n_audio_ctx, audio),
        "decoder.token_embedding.weight": (dims.n_vocab, text),
        "decoder.positional_embedding": (dims.n_text_ctx, text),
        **_norm("encoder.ln_post", audio),
        **_norm("decoder.ln", text),
    }
    for number in range(dims.n_audio_layer):
        shapes |= _block(f"encoder.blocks.{number}", audio, ["attn"])
    for number in range(dims.n_text_layer):
        shapes |= _block(f"decoder.blocks.{number}", text, ["attn", "cross_attn"])
    return {name: torch.empty(shape, device=device) for name, shape in shapes.items()}


def _block(name: str, state: int, attentions: list[str]) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        f"{name}.mlp.0.weight": (4 * state, state),
        f"{name}.mlp.0.bias": (4 * state,),
        f"{name}.mlp.2.weight": (state, 4 * state),
        f"{name}.mlp.2.bias": (state,),
        **_norm(f"{name}.mlp_ln", state),
    }
    for attention in attentions:
        shapes |= {f"{name}.{attention}.{part}.weight": (state, state) for part in ("query", "key", "value", "out")}
        shapes |= {f"{name}.{attention}.{part}.bias": (state,) for part in ("query", "value", "out")}
        shapes |= _norm(f"{name}.{attention}_ln", state)
    return shapes


def _norm(name: str, state: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (state,), f"{name}.bias": (state,)}

"""Computes how much memory a model takes on a GPU, and how many slots fit.

The sizes of weights and slots are exact: those of the tensors of Parameters, SlotCache and SlotState. The others are
estimates from the largest tensors that exist at a time, or assumptions; none was measured on a GPU yet. A MiB is
1,048,576 bytes, as in nvidia-smi.

large-v3 in fp16 within the 9,783 MiB that openai-whisper takes for it, with 8 windows encoded at a time: 2,948 MiB of
weights, 750 MiB of CUDA and its graphs, 160 MiB of cuBLAS's workspaces, 352 MiB of encoder. The rest holds 18 slots of
307 MiB with `keys_values`, or 73 of 76 MiB with `absorbed` (tests/transcription/engine/parity/test_memory.py).
"""

from __future__ import annotations

import math

import torch
from whisper.model import ModelDimensions

from transcription.engine.torch_backend.cross import CrossName
from transcription.engine.types import DoesNotFit

MIB = 1 << 20

CONTEXT_MIB = 500
"""Assumed for a CUDA context and the kernels of torch and cuBLAS, once a process. torch's own limit leaves it out."""

WORKSPACE_MIB = 32
"""cuBLAS's workspace on Hopper and Blackwell, where it is largest: one for each thread and stream."""

WORKSPACES = 5
"""Threads and streams of a model: its decoder is warmed up by one thread and steps in another, the stream beside it
encodes in one and times words in another, and one decoder with beams steps."""

GRAPHS_MIB = 250
"""Assumed for some fifty captured graphs and the allocator's rounding."""

ENCODER_TENSORS = 12
"""Tensors of (1500, state) that exist while a window is encoded: ten in its MLP (the residual, two of four times its
width, the output), and two for the spectrogram and its convolutions."""

LOGIT_BYTES = 48
"""Bytes for one token of one row: logits in fp16 and fp32, masks, and the int64 words of the noise."""


def weights_mib(dims: ModelDimensions, dtype: torch.dtype) -> float:
    """Returns the size of a model's Parameters. The encoder's positions are float32 with any dtype."""
    audio, text = dims.n_audio_state, dims.n_text_state
    convolutions = 3 * dims.n_mels * audio + audio + 3 * audio * audio + audio
    encoder = dims.n_audio_layer * (_attention(audio) + _mlp(audio)) + _norm(audio)
    # The cross-attention projects from the encoder's width to the decoder's, which are equal.
    decoder = dims.n_text_layer * (2 * _attention(text) + _mlp(text)) + _norm(text)
    tables = (dims.n_vocab + dims.n_text_ctx) * text
    positions = 4 * dims.n_audio_ctx * audio
    return float((convolutions + encoder + decoder + tables) * dtype.itemsize + positions) / MIB


def slot_mib(dims: ModelDimensions, dtype: torch.dtype, cross: CrossName = "keys_values", beams: int = 1) -> float:
    """Returns the size of a slot: a row of SlotCache, and `beams` rows of SlotState."""
    own = 2 * dims.n_text_layer * dims.n_text_ctx * dims.n_text_state
    scratch = dims.n_text_ctx * dims.n_text_state if beams > 1 else 0
    encoding = dims.n_audio_ctx * dims.n_audio_state
    kept = encoding if cross == "absorbed" else 2 * dims.n_text_layer * encoding
    return float((beams * (own + scratch) + kept) * dtype.itemsize + beams * _state(dims)) / MIB


def step_mib(dims: ModelDimensions, dtype: torch.dtype, cross: CrossName = "keys_values", beams: int = 1) -> float:
    """Returns an estimate of a step's temporary tensors for one window, mostly its logits."""
    looks = dims.n_text_head * 2 * (dims.n_audio_ctx + dims.n_text_state) if cross == "absorbed" else 0
    layer = 16 * dims.n_text_state
    return float(beams * (LOGIT_BYTES * dims.n_vocab + (looks + layer) * dtype.itemsize)) / MIB


def encoder_mib(dims: ModelDimensions, dtype: torch.dtype) -> float:
    """Returns an estimate of the encoder's activations for one window of its batch."""
    return float(ENCODER_TENSORS * dims.n_audio_ctx * dims.n_audio_state * dtype.itemsize) / MIB


def needed_mib(
    dims: ModelDimensions,
    dtype: torch.dtype,
    slots: int,
    cross: CrossName = "keys_values",
    *,
    beams: int = 1,
    encoded: int = 8,
) -> float:
    """Returns the size of everything that a process with `slots` slots holds on a GPU.

    encoded: windows that are encoded in one batch, at most `slots`.
    """
    each = slot_mib(dims, dtype, cross, beams) + step_mib(dims, dtype, cross, beams)
    encoder = min(encoded, slots) * encoder_mib(dims, dtype)
    workspaces = WORKSPACES * WORKSPACE_MIB
    return CONTEXT_MIB + GRAPHS_MIB + workspaces + weights_mib(dims, dtype) + encoder + slots * each


def slots_within(
    dims: ModelDimensions,
    dtype: torch.dtype,
    limit_mib: float,
    cross: CrossName = "keys_values",
    *,
    name: str = "the model",
    beams: int = 1,
    encoded: int = 8,
    most: int = 256,
) -> int:
    """Returns how many slots fit into `limit_mib`, at most `most`.

    name: of the model, for the error's message. encoded: windows that are encoded in one batch. Raises DoesNotFit if
    not a single slot fits.
    """
    least = needed_mib(dims, dtype, 1, cross, beams=beams, encoded=encoded)
    if least > limit_mib:
        raise DoesNotFit(f"{name} needs {math.ceil(least)} MiB at least; the limit is {math.floor(limit_mib)} MiB")
    slots = 1
    while slots < most and needed_mib(dims, dtype, slots + 1, cross, beams=beams, encoded=encoded) <= limit_mib:
        slots += 1
    return slots


def _attention(state: int) -> int:
    """Returns the parameters of a norm and four projections with biases; that of the key is zero, but stored."""
    return _norm(state) + 4 * state * state + 4 * state


def _mlp(state: int) -> int:
    return _norm(state) + 8 * state * state + 5 * state


def _norm(state: int) -> int:
    return 2 * state


def _state(dims: ModelDimensions) -> int:
    """Returns the bytes of a row: tokens, logprobs and suppressed; then 8 int64, 3 float32 and 3 boolean columns."""
    return int((8 + 4) * (dims.n_text_ctx + 1) + dims.n_vocab + 8 * 8 + 3 * 4 + 3)

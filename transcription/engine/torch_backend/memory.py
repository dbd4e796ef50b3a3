"""Computes how much memory a model takes on a GPU, and how many slots fit.

The sizes of weights and slots are exact: those of the tensors of Parameters, SlotCache and SlotState. The others are
estimates from the largest tensors that exist at a time, or assumptions; none was measured on a GPU yet. A MiB is
1,048,576 bytes, as in nvidia-smi. docs/engine.md lists what large-v3 takes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from whisper.model import ModelDimensions

from transcription.engine.dimensions import Dimensions
from transcription.engine.own_models.layout import Layout, expected_shapes
from transcription.engine.torch_backend.buckets import batch_sizes, context_sizes
from transcription.engine.torch_backend.int8 import SCALE_TYPE
from transcription.engine.types import DoesNotFit

if TYPE_CHECKING:
    from transcription.engine.torch_backend.cross import CrossName

MIB = 1 << 20

CONTEXT_MIB = 500
"""Assumed for a CUDA context and the kernels of torch and cuBLAS, once a process. torch's own limit leaves it out."""

WORKSPACE_MIB = 32
"""cuBLAS's workspace on Hopper and Blackwell, where it is largest: one for each thread and stream."""

WORKSPACES = 6
"""Threads and streams of a model: its decoder is warmed up by one thread and steps in another, the stream beside it is
warmed up by the first, encodes in another, times words and encodes again in a third, and a decoder with beams steps."""

GRAPH_MIB = 4.5
"""Assumed for a captured graph, and the allocator's rounding."""

ENCODER_TENSORS = 12
"""Tensors of (1500, state) that exist while a window is encoded: ten in its MLP (the residual, two of four times its
width, the output), and two for the spectrogram and its convolutions."""

ENCODED_WINDOWS = 2
"""Windows that are encoded in one batch."""

FILLED_WINDOWS = 4
"""Windows whose keys and values are made at once."""

ENOUGH_SLOTS = 9
"""Slots from which on a step reads fewer bytes for each window with 8-bit keys and values than with `absorbed`, which
has three times the slots in the same memory: large-v3's 1.6 GB of weights and 9 times 148 MB come to 0.33 GB a window,
1.8 GB and 27 times 267 MB to the same."""

ALIGNED_WINDOWS = 4
"""Windows whose words are timed at once."""

SCORE_ROWS = 5120
"""Rows of 1500 scores that are kept while words are timed: a row for each token and alignment head, of which large-v3
has ten. A single window may have more, if its text nearly fills the context or there are more heads."""

ALIGNED_ROWS = 1280
"""Rows of scores that are filtered at once."""

ALIGNED_TOKENS = 128
"""Tokens whose probability is computed at once, among the whole vocabulary."""

ALIGNED_STATES = 16
"""Tensors of (tokens, state) that exist in a layer while words are timed."""

FILTER_TENSORS = 12
"""Copies of the rows that are filtered: seven shifted ones, padding, and what an exchange makes."""

LOGIT_BYTES = 48
"""Bytes for one token of one row: logits in fp16 and fp32, masks, and the int64 words of the noise."""


def weights_mib(dims: ModelDimensions, dtype: torch.dtype) -> float:
    """Returns the size of a model's Parameters. The encoder's positions are float32 with any dtype."""
    positions = 4 * dims.n_audio_ctx * dims.n_audio_state
    return float(sum(_numbers(dims).values()) * dtype.itemsize + positions) / MIB


def slot_mib(dims: ModelDimensions, dtype: torch.dtype, cross: CrossName = "keys_values", beams: int = 1) -> float:
    """Returns the size of a slot: a row of SlotCache, and `beams` rows of SlotState."""
    own = 2 * dims.n_text_layer * dims.n_text_ctx * dims.n_text_state
    scratch = dims.n_text_ctx * dims.n_text_state if beams > 1 else 0
    encoding = dims.n_audio_ctx * dims.n_audio_state
    scales = 2 * dims.n_text_layer * dims.n_text_head * dims.n_audio_ctx * SCALE_TYPE.itemsize
    kept = {
        "keys_values": 2 * dims.n_text_layer * encoding * dtype.itemsize,
        "int8": 2 * dims.n_text_layer * encoding + scales,
        "absorbed": encoding * dtype.itemsize,
    }[cross]
    return float(beams * ((own + scratch) * dtype.itemsize + _state(dims)) + kept) / MIB


def step_mib(dims: ModelDimensions, dtype: torch.dtype, cross: CrossName = "keys_values") -> float:
    """Returns an estimate of a step's temporary tensors for one window, mostly its logits."""
    looks = dims.n_text_head * 2 * (dims.n_audio_ctx + dims.n_text_state) if cross == "absorbed" else 0
    layer = 16 * dims.n_text_state
    return float(LOGIT_BYTES * dims.n_vocab + (looks + layer) * dtype.itemsize) / MIB


def graphs_mib(dims: ModelDimensions, slots: int) -> float:
    """Returns the assumed size of a decoder's graphs: for each number of rows and context, greedy and sampled."""
    return GRAPH_MIB * 2 * len(batch_sizes(slots, cuda=True)) * len(context_sizes(dims.n_text_ctx))


def encoder_mib(dims: ModelDimensions, dtype: torch.dtype) -> float:
    """Returns an estimate of the encoder's activations for one window of its batch."""
    return float(ENCODER_TENSORS * dims.n_audio_ctx * dims.n_audio_state * dtype.itemsize) / MIB


def filling_mib(dims: ModelDimensions, dtype: torch.dtype, cross: CrossName = "keys_values") -> float:
    """Returns an estimate of what new windows take at once while their keys and values are made."""
    # Both; and in float32 one of them, its magnitudes and its quotients, beside the 8-bit numbers.
    size = {"keys_values": 2 * dtype.itemsize, "int8": 2 * dtype.itemsize + 3 * 4 + 2, "absorbed": 0}[cross]
    return float(FILLED_WINDOWS * dims.n_audio_ctx * dims.n_audio_state * size) / MIB


def alignment_mib(dims: ModelDimensions, dtype: torch.dtype) -> float:
    """Returns an estimate of what timing words takes at once."""
    # Encodings, their keys and values, and copies of these for the attention.
    windows = ALIGNED_WINDOWS * 5 * dims.n_audio_ctx * dims.n_audio_state * dtype.itemsize
    states = ALIGNED_STATES * ALIGNED_WINDOWS * ALIGNED_TOKENS * dims.n_text_state * dtype.itemsize
    # Of each layer, of all layers together, and normalised.
    scores = 3 * 4 * SCORE_ROWS * dims.n_audio_ctx
    logits = ALIGNED_TOKENS * dims.n_vocab * (dtype.itemsize + 4 + 4)
    return float(windows + states + scores + max(logits, FILTER_TENSORS * 4 * ALIGNED_ROWS * dims.n_audio_ctx)) / MIB


def apart_mib(dims: ModelDimensions) -> float:
    """Returns what one window takes that is encoded and decoded apart, in float32."""
    matrix = 4 * 4 * max(dims.n_audio_state, dims.n_text_state) ** 2
    decoder = slot_mib(dims, torch.float32, "absorbed") + step_mib(dims, torch.float32, "absorbed")
    return widened_mib(dims) + float(matrix) / MIB + encoder_mib(dims, torch.float32) + decoder + WORKSPACE_MIB


def widened_mib(dims: ModelDimensions) -> float:
    """Returns the size of what `in_float32` copies: all but the layers' matrices, which are widened one by one."""
    return 4 * float(sum(count for name, count in _numbers(dims).items() if "/linear_" not in name)) / MIB


def needed_mib(dims: ModelDimensions, dtype: torch.dtype, slots: int, cross: CrossName = "keys_values") -> float:
    """Returns the size of everything that a process with `slots` slots holds on a GPU."""
    each = slot_mib(dims, dtype, cross) + step_mib(dims, dtype, cross)
    encoder = min(ENCODED_WINDOWS, slots) * encoder_mib(dims, dtype)
    workspaces = WORKSPACES * WORKSPACE_MIB
    fixed = CONTEXT_MIB + graphs_mib(dims, slots) + workspaces + weights_mib(dims, dtype)
    # A model does one of these at a time.
    aside = max(alignment_mib(dims, dtype), apart_mib(dims) if dtype != torch.float32 else 0.0)
    return fixed + aside + filling_mib(dims, dtype, cross) + encoder + slots * each


def slots_within(
    dims: ModelDimensions,
    dtype: torch.dtype,
    limit_mib: float,
    cross: CrossName = "keys_values",
    *,
    name: str = "the model",
    most: int = 256,
) -> int:
    """Returns how many slots fit into `limit_mib`, at most `most`.

    name: of the model, for the error's message. Raises DoesNotFit if not a single slot fits.
    """
    least = needed_mib(dims, dtype, 1, cross)
    if least > limit_mib:
        raise DoesNotFit(f"{name} needs {math.ceil(least)} MiB at least; the limit is {math.floor(limit_mib)} MiB")
    slots = 1
    while slots < most and needed_mib(dims, dtype, slots + 1, cross) <= limit_mib:
        slots += 1
    return slots


def best_cross(dims: ModelDimensions, dtype: torch.dtype, limit_mib: float, most: int, has_kernel: bool) -> CrossName:
    """Returns how encodings are best kept within `limit_mib`, for at most `most` slots.

    has_kernel: whether the GPU runs the kernel of 8-bit keys and values (int8.kernel_works). Without it a step reads as
    many bytes for a window of `keys_values` as of `absorbed`, whose slots are smaller.
    """
    kept: CrossName = "int8" if has_kernel else "keys_values"
    slots = min(most, ENOUGH_SLOTS) if has_kernel else most
    return kept if needed_mib(dims, dtype, slots, kept) <= limit_mib else "absorbed"


@dataclass(frozen=True, slots=True)
class Need:
    """What a model takes with few slots, and with as many as are useful."""

    least_mib: float
    wanted_mib: float


def share_of(need: Need, needs: Sequence[Need], whole_mib: float) -> float:
    """Returns how much of the memory is one model's where all of these are in use.

    Each has what it takes with few slots, and the rest goes by what each would take. All, where that doesn't suffice:
    then they take turns.
    """
    rest = whole_mib - sum(one.least_mib for one in needs)
    more = sum(one.wanted_mib - one.least_mib for one in needs)
    if rest < 0 or not more:
        return whole_mib
    return need.least_mib + rest * (need.wanted_mib - need.least_mib) / more


def _numbers(dims: ModelDimensions) -> dict[str, int]:
    """Returns how many numbers each weight has but the encoder's positions, by its name in CTranslate2's form."""
    own = Dimensions(dims.n_mels, dims.n_audio_state, dims.n_audio_layer, dims.n_text_layer)
    shapes = expected_shapes(Layout(own, dims.n_vocab)).items()
    return {name: math.prod(shape) for name, shape in shapes if name != "encoder/position_encodings/encodings"}


def _state(dims: ModelDimensions) -> int:
    """Returns the bytes of a row: tokens and suppressed; then 8 int64, 3 float32 and 1 boolean columns."""
    return int(8 * (dims.n_text_ctx + 1) + dims.n_vocab + 8 * 8 + 3 * 4 + 1)

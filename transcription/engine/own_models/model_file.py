"""Writes CTranslate2's `model.bin`, the inverse of ct2_file.py."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transcription.engine.ct2_file import DTYPES, VERSION
from transcription.engine.own_models.layout import Layout, Misfit, Shape, expected_shapes
from transcription.engine.own_models.safetensors_file import Half, Tensor

SPECIFICATION, REVISION = "WhisperSpec", 3

FLAGS = {
    "decoder/activation": 3,
    "decoder/alibi": 0,
    "decoder/alibi_use_positive_positions": 0,
    "decoder/pre_norm": 1,
    "decoder/scale_alibi": 0,
    "decoder/scale_embeddings": 0,
    "decoder/start_from_zero_embedding": 0,
}
"""As CTranslate2's converter writes them for Whisper: GELU (3), normalised before each block."""

ALIGNMENT = {"decoder/alignment_heads": 1, "decoder/alignment_layer": -1}

OUTER = {
    "encoder/position_encodings/encodings": "encoder.embed_positions.weight",
    "decoder/position_encodings/encodings": "decoder.embed_positions.weight",
    "decoder/embeddings/weight": "decoder.embed_tokens.weight",
}
LAYER = re.compile(r"(encoder|decoder)/layer_(\d+)/(.+)/(\w+)")
PARTS = {
    "self_attention/layer_norm": ["self_attn_layer_norm"],
    "self_attention/linear_0": ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
    "self_attention/linear_1": ["self_attn.out_proj"],
    "attention/layer_norm": ["encoder_attn_layer_norm"],
    "attention/linear_0": ["encoder_attn.q_proj"],
    "attention/linear_1": ["encoder_attn.k_proj", "encoder_attn.v_proj"],
    "attention/linear_2": ["encoder_attn.out_proj"],
    "ffn/layer_norm": ["final_layer_norm"],
    "ffn/linear_0": ["fc1"],
    "ffn/linear_1": ["fc2"],
}
"""By CTranslate2's name what Transformers calls it: several are stacked there."""

ENDS = {"gamma": "weight", "beta": "bias"}


def write_model(
    file: Path, layout: Layout, tensors: Mapping[str, Tensor], progress: Callable[[int, int], None]
) -> None:
    """Writes the weights of Transformers' tensors, whose names begin with "encoder." or "decoder.".

    progress: called with the bytes done and all of them. Raises Misfit where one is missing or of another shape.
    """
    shapes = expected_shapes(layout)
    numbers: list[tuple[str, NDArray[Any]]] = [(name, np.array(value, np.int8)) for name, value in FLAGS.items()]
    numbers += [(name, np.array(value, np.int16)) for name, value in ALIGNMENT.items()]
    heads = np.array(layout.dimensions.heads, np.int16)
    numbers += [(f"{half}/num_heads", heads) for half in ("decoder", "encoder")]
    with file.open("wb") as stream:
        stream.write(struct.pack("<I", VERSION) + _text(SPECIFICATION) + struct.pack("<I", REVISION))
        stream.write(struct.pack("<I", len(numbers) + len(shapes)))
        for name, number in numbers:
            stream.write(_variable(name, number))
        total = sum(map(math.prod, shapes.values())) * np.dtype(np.float16).itemsize
        for name, shape in shapes.items():
            stream.write(_variable(name, _weight(tensors, name, shape)))
            progress(min(total, stream.tell()), total)
        stream.write(struct.pack("<I", 1) + _text("decoder/projection/weight") + _text("decoder/embeddings/weight"))


def _weight(tensors: Mapping[str, Tensor], name: str, shape: Shape) -> Half:
    """Stacks one of CTranslate2's weights of those that Transformers keeps apart. Raises Misfit."""
    sources = sources_of(name)
    rows = shape[0] // len(sources)
    parts = []
    for source in sources:
        tensor = tensors.get(source)
        if tensor is None and source.endswith(".k_proj.bias"):
            # Whisper's key has none.
            parts.append(np.zeros(rows, np.float16))
            continue
        if tensor is None or tensor.shape != (rows, *shape[1:]):
            found = tensor.shape if tensor else "missing"
            raise Misfit(f"is no whole Whisper: {source} is {found}, not {(rows, *shape[1:])}; save it again")
        parts.append(tensor.read())
    return np.concatenate(parts)


def sources_of(name: str) -> list[str]:
    """Returns Transformers' names of what is stacked in one of CTranslate2's weights."""
    if name in OUTER:
        return [OUTER[name]]
    if layer := LAYER.fullmatch(name):
        half, number, part, end = layer.groups()
        return [f"{half}.layers.{number}.{source}.{ENDS.get(end, end)}" for source in PARTS[part]]
    rest, end = name.replace("/", ".").rsplit(".", 1)
    return [f"{rest}.{ENDS.get(end, end)}"]


def _variable(name: str, value: NDArray[Any]) -> bytes:
    kind = DTYPES.index(value.dtype.name)
    head = struct.pack(f"<B{value.ndim}IBI", value.ndim, *value.shape, kind, value.nbytes)
    return _text(name) + head + value.tobytes()


def _text(text: str) -> bytes:
    return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"

"""Writes whisper.cpp's model file, matrices in q8_0.

All numbers are little-endian. The file holds a magic number; eleven dimensions and the kind of its numbers; the mel
filters with their shape; the vocabulary, each token as its length and bytes; then each variable: rank, length of its
name, kind, dimensions (the last first), name, data. Vectors, the convolutions' biases (as columns) and positions are
float32, the convolutions float16. A row of a q8_0 matrix is cut into blocks of 32, each a float16 scale and 32 int8.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

MAGIC = 0x67676D6C
F32, F16, Q8_0 = 0, 1, 8
FILE_OF_Q8_0 = 2_007
"""The kind of a whole file: 7 for q8_0, and a thousand for each of two versions of the format of quantised numbers."""

BLOCK = 32
POSITIONS = ("encoder.positional_embedding", "decoder.positional_embedding")
CONVOLUTIONS = ("encoder.conv1.weight", "encoder.conv2.weight")
COLUMNS = ("encoder.conv1.bias", "encoder.conv2.bias")


def write(
    target: Path, dimensions: Sequence[int], filters: Array, tokens: Iterable[bytes], variables: Mapping[str, Array]
) -> None:
    """dimensions: openai-whisper's but n_mels, which is last. filters: (n_mels, frequencies).

    variables: by openai-whisper's names. Written beside the target and renamed.
    """
    unfinished = target.with_suffix(".part")
    with unfinished.open("wb") as stream:
        _write_numbers(stream, MAGIC, *dimensions, FILE_OF_Q8_0, *filters.shape)
        stream.write(filters.astype("<f4").tobytes())
        known = list(tokens)
        _write_numbers(stream, len(known))
        for token in known:
            _write_numbers(stream, len(token))
            stream.write(token)
        for name, variable in variables.items():
            _write_variable(stream, name, variable)
    unfinished.rename(target)


def quantized(matrix: Array) -> bytes:
    """q8_0: for each block a scale, its largest number by 127, and what its numbers are in it, rounded."""
    blocks = matrix.astype(np.float32).reshape(-1, BLOCK)
    scales = np.abs(blocks).max(axis=1, keepdims=True) / np.float32(127)
    numbers = np.divide(blocks, scales, out=np.zeros_like(blocks), where=scales > 0)
    packed = np.empty(len(blocks), dtype=[("scale", "<f2"), ("numbers", "i1", BLOCK)])
    packed["scale"] = scales[:, 0]
    packed["numbers"] = np.rint(numbers)
    return packed.tobytes()


def _write_variable(stream: IO[bytes], name: str, variable: Array) -> None:
    shape = (len(variable), 1) if name in COLUMNS else variable.shape
    if name in CONVOLUTIONS:
        kind, data = F16, variable.astype("<f2").tobytes()
    elif variable.ndim == 1 or name in POSITIONS:
        kind, data = F32, variable.astype("<f4").tobytes()
    else:
        kind, data = Q8_0, quantized(variable)
    _write_numbers(stream, len(shape), len(name), kind, *reversed(shape))
    stream.write(name.encode())
    stream.write(data)


def _write_numbers(stream: IO[bytes], *numbers: int) -> None:
    stream.write(struct.pack(f"<{len(numbers)}i", *numbers))

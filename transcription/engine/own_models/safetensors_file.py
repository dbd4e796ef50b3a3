"""Reads the tensors of safetensors files as float16, one by one, so that no model need be in memory as a whole."""

from __future__ import annotations

import json
import math
import mmap
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from transcription.engine.own_models.layout import Misfit, Shape

LENGTH = struct.Struct("<Q")
TYPES = {"F16": "<f2", "F32": "<f4", "F64": "<f8", "BF16": "<u2"}

Half = NDArray[np.float16]


class Tensor(Protocol):
    """A weight that is read when it is asked for."""

    @property
    def shape(self) -> Shape: ...

    def read(self) -> Half: ...


@dataclass(frozen=True, slots=True)
class _Stored:
    raw: mmap.mmap
    type: str
    shape: Shape
    begin: int

    def read(self) -> Half:
        stored = np.frombuffer(self.raw, TYPES[self.type], math.prod(self.shape), self.begin)
        if self.type == "BF16":
            # The upper half of a float32.
            stored = (stored.astype("<u4") << 16).view("<f4")
        return stored.astype(np.float16).reshape(self.shape)


def read_safetensors(files: Iterable[Path]) -> Mapping[str, Tensor]:
    """Returns the tensors of some files by name. Raises Misfit for one that is cut off or quantised; OSError.

    Layout: a header's length as a little-endian uint64, the header as JSON, which has each tensor's type, shape and
    place in what follows.
    """
    tensors: dict[str, Tensor] = {}
    for file in files:
        try:
            tensors |= _tensors_of(file)
        except (struct.error, ValueError, KeyError, TypeError, AttributeError) as error:
            raise Misfit(f"has a damaged {file.name} ({error}): copy it again") from error
    return tensors


def _tensors_of(file: Path) -> dict[str, Tensor]:
    with file.open("rb") as stream:
        raw = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    (length,) = LENGTH.unpack_from(raw)
    header: dict[str, Any] = json.loads(raw[LENGTH.size : LENGTH.size + length])
    header.pop("__metadata__", None)
    return {name: _stored(raw, name, LENGTH.size + length, facts) for name, facts in header.items()}


def _stored(raw: mmap.mmap, name: str, data: int, facts: Mapping[str, Any]) -> Tensor:
    kind, shape, (begin, end) = str(facts["dtype"]), tuple(map(int, facts["shape"])), facts["data_offsets"]
    if kind not in TYPES:
        raise Misfit(f"has {name} as {kind}: save the model in float16, bfloat16 or float32")
    if end - begin != math.prod(shape) * np.dtype(TYPES[kind]).itemsize or data + end > len(raw) or begin < 0:
        raise ValueError(f"{name} is cut off")
    return _Stored(raw, kind, shape, data + begin)

"""Reading CTranslate2's `model.bin`, so that one download serves all backends.

Layout: version, spec name, revision, then a count of variables, each with its name, rank, dimensions, type, size in
bytes and data; then pairs of alias and name. Integers are little-endian, strings have a uint16 length and end with a
NUL.
"""

from __future__ import annotations

import math
import mmap
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transcription.engine.dimensions import Dimensions
from transcription.engine.types import EngineError

if TYPE_CHECKING:
    from numpy.typing import NDArray

VERSION = 6
DTYPES = ("float32", "int8", "int16", "int32", "float16")
FIRST_CONVOLUTION = "encoder/conv1/weight"
LAYER = re.compile(r"(encoder|decoder)/layer_(\d+)/")


class Unreadable(Exception):
    """A file that ends early."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A variable in its file."""

    raw: mmap.mmap
    dtype: str
    shape: tuple[int, ...]
    begin: int

    def read(self) -> NDArray[Any]:
        """Returns a view of the file, whose pages are the kernel's to drop."""
        import numpy as np  # here: web processes, which look at sizes, do without it

        return np.frombuffer(self.raw, self.dtype, math.prod(self.shape), self.begin).reshape(self.shape)


def read_variables(file: Path) -> dict[str, NDArray[Any]]:
    """Returns the file's variables by name, aliases included.

    Raises EngineError for another version, or a file that ends early.
    """
    try:
        stored = stored_in(file)
    except Unreadable as error:
        raise EngineError(f"{file} is not a whole CTranslate2 model: {error}") from error
    if not stored:
        raise EngineError(f"{file} is not a whole CTranslate2 model of version {VERSION}")
    return {name: variable.read() for name, variable in stored.items()}


def dimensions_of(model: Path) -> Dimensions | None:
    """Returns the dimensions of a model file without reading its weights.

    Returns None where the file doesn't say: one of another version, or of another model than Whisper. Raises
    Unreadable, OSError.
    """
    stored = stored_in(model)
    if FIRST_CONVOLUTION not in stored or len(stored[FIRST_CONVOLUTION].shape) != 3:
        return None
    state, n_mels, _ = stored[FIRST_CONVOLUTION].shape
    layers = {found.groups() for found in map(LAYER.match, stored) if found}
    counts = [sum(half == own for own, _ in layers) for half in ("encoder", "decoder")]
    return Dimensions(n_mels, state, *counts)


def ends_early(model: Path) -> bool:
    """Returns whether a model file stops before its last variable; files of other versions pass."""
    try:
        stored_in(model)
    except Unreadable:
        return True
    return False


def stored_in(file: Path) -> dict[str, Stored]:
    """Returns where each variable of a model file is, by name; an empty dict for another version's.

    Raises Unreadable, OSError.
    """
    with file.open("rb") as stream:
        try:
            reader = _Reader(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))
            found = _stored(reader)
        except (struct.error, ValueError, IndexError):
            raise Unreadable(f"{file} is cut off") from None
    if reader.at > len(reader.raw):
        raise Unreadable(f"{file} is cut off")
    return found


class _Reader:
    def __init__(self, raw: mmap.mmap) -> None:
        self.raw = raw
        self.at = 0

    def number(self, code: str) -> int:
        (value,) = struct.unpack_from("<" + code, self.raw, self.at)
        self.at += struct.calcsize(code)
        return int(value)

    def text(self) -> str:
        size = self.number("H")
        self.at += size
        return self.raw[self.at - size : self.at].rstrip(b"\0").decode(errors="replace")


def _stored(reader: _Reader) -> dict[str, Stored]:
    if reader.number("I") != VERSION:
        return {}
    reader.text()
    reader.number("I")
    found: dict[str, Stored] = {}
    for _ in range(reader.number("I")):
        name = reader.text()
        shape = tuple(reader.number("I") for _ in range(reader.number("B")))
        dtype, size = DTYPES[reader.number("B")], reader.number("I")
        found[name] = Stored(reader.raw, dtype, shape, reader.at)
        reader.at += size
    for _ in range(reader.number("I")):
        alias, original = reader.text(), reader.text()
        if original in found:
            found[alias] = found[original]
    return found

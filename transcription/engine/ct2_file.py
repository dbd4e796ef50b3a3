"""Reading CTranslate2's `model.bin`, so that one download serves both backends."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transcription.engine.dimensions import VERSION
from transcription.engine.types import EngineError

DTYPES = (np.float32, np.int8, np.int16, np.int32, np.float16)


def read_variables(file: Path, prefix: str = "") -> dict[str, NDArray[Any]]:
    """Returns the file's variables by name, aliases included; only those whose names begin with the prefix.

    Layout: version, spec name, revision, then a count of variables, each with its name,
    rank, dimensions, type, size in bytes and data; then pairs of alias and name. Integers
    are little-endian, strings have a uint16 length and end with a NUL.
    The arrays are views of the file, which is read as they are: its pages are the kernel's to drop.
    Raises EngineError for another version, or a file that ends early.
    """
    with file.open("rb") as stream:
        raw = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    try:
        return _read(_Reader(raw), prefix)
    except (struct.error, ValueError, IndexError) as error:
        raise EngineError(f"{file} is not a whole CTranslate2 model: {error}") from error


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
        text = self.raw[self.at : self.at + size].rstrip(b"\0").decode()
        self.skip(size)
        return text

    def skip(self, size: int) -> None:
        self.at += size

    def numbers(self, size: int, dtype: np.dtype[Any]) -> NDArray[Any]:
        found = np.frombuffer(self.raw, dtype, size // dtype.itemsize, self.at)
        self.skip(size)
        return found


def _read(reader: _Reader, prefix: str) -> dict[str, NDArray[Any]]:
    version = reader.number("I")
    if version != VERSION:
        raise ValueError(f"version {version}, not {VERSION}")
    reader.text()
    reader.number("I")
    variables: dict[str, NDArray[Any]] = {}
    for _ in range(reader.number("I")):
        name = reader.text()
        shape = [reader.number("I") for _ in range(reader.number("B"))]
        dtype = np.dtype(DTYPES[reader.number("B")])
        size = reader.number("I")
        if name.startswith(prefix):
            variables[name] = reader.numbers(size, dtype).reshape(shape)
        else:
            reader.skip(size)
    for _ in range(reader.number("I")):
        alias, original = reader.text(), reader.text()
        if original in variables:
            variables[alias] = variables[original]
    return variables

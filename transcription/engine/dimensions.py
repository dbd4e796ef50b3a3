"""How large a Whisper is: what tells one model's weights from another's."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

VERSION = 6
"""Of CTranslate2's model files; their layout is that of ct2_file.py."""

HEAD_WIDTH = 64
"""The width of an attention head in every Whisper."""

FIRST_CONVOLUTION = "encoder/conv1/weight"
LAYER = re.compile(r"(encoder|decoder)/layer_(\d+)/")


class Unreadable(Exception):
    """A file that ends early."""


@dataclass(frozen=True, slots=True)
class Dimensions:
    """`state` is the width of what goes from layer to layer."""

    n_mels: int
    state: int
    audio_layers: int
    text_layers: int

    @property
    def heads(self) -> int:
        """Of attention, in each layer."""
        return self.state // HEAD_WIDTH

    def __str__(self) -> str:
        return f"{self.n_mels} mels, a width of {self.state}, {self.audio_layers} and {self.text_layers} layers"


def dimensions_of(model: Path) -> Dimensions | None:
    """Returns the dimensions of a CTranslate2 model file without reading its weights.

    Returns None where the file doesn't say: one of another version, or of another model than Whisper. Raises
    Unreadable, OSError.
    """
    shapes = shapes_in(model)
    convolution = shapes.get(FIRST_CONVOLUTION, ())
    if len(convolution) != 3:
        return None
    layers = {found.groups() for found in map(LAYER.match, shapes) if found}
    counts = [sum(half == own for own, _ in layers) for half in ("encoder", "decoder")]
    return Dimensions(convolution[1], convolution[0], *counts)


def shapes_in(model: Path) -> dict[str, tuple[int, ...]]:
    """Returns the shape of each variable of a CTranslate2 model file by name; an empty dict for another version's.

    Raises Unreadable, OSError.
    """
    with model.open("rb") as file:
        return dict(_shapes(file))


def ends_early(model: Path) -> bool:
    """Returns whether a CTranslate2 model file stops before its last variable; files of other versions pass."""
    try:
        with model.open("rb") as file:
            for _ in _shapes(file):
                pass
    except Unreadable:
        return True
    return False


def _shapes(file: IO[bytes]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yields the name and shape of each variable. Raises Unreadable, after the last one, if the file is cut off."""
    size = os.fstat(file.fileno()).st_size
    try:
        if _number(file, "I") != VERSION:
            return
        _text(file)
        _number(file, "I")
        for _ in range(_number(file, "I")):
            name = _text(file)
            yield name, tuple(_number(file, "I") for _ in range(_number(file, "B")))
            _number(file, "B")
            file.seek(_number(file, "I"), os.SEEK_CUR)
        for _ in range(2 * _number(file, "I")):
            _text(file)
    except struct.error:
        raise Unreadable(f"{file.name} is cut off") from None
    if file.tell() > size:
        raise Unreadable(f"{file.name} is cut off")


def _text(file: IO[bytes]) -> str:
    length = _number(file, "H")
    (text,) = struct.unpack(f"{length}s", file.read(length))
    return str(text.rstrip(b"\0").decode(errors="replace"))


def _number(file: IO[bytes], code: str) -> int:
    size = struct.calcsize(code)
    (value,) = struct.unpack(f"<{code}", file.read(size))
    return int(value)

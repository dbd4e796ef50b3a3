"""Writes an ONNX model, of the parts of the format that the two networks need.

The format is Protocol Buffers, whose wire format is short: a field is a key (number and kind) and a number or bytes
with their length (protobuf.dev/programming-guides/encoding). Numbers of the fields are those of onnx.proto, IR
version 8, https://github.com/onnx/onnx/blob/main/onnx/onnx.proto. The onnx package, which needs three others, would
be installed for one minute of a machine's life.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

IR_VERSION = 8
OPSET = 17
FLOAT, INT64 = 1, 7
A_FLOAT, A_INT, A_STRING, A_INTS = 1, 2, 3, 7
"""AttributeProto.AttributeType."""

Attribute = float | int | str | Sequence[int]


class Graph:
    """A graph under construction. Values are known by their names; each operator has one output."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._nodes: list[bytes] = []
        self._constants: list[bytes] = []
        self._inputs: list[bytes] = []
        self._outputs: list[bytes] = []

    def input(self, name: str, *shape: int | str) -> str:
        """Adds an input of float32. shape: a string stands for a length that may vary."""
        self._inputs.append(_value(name, shape))
        return name

    def output(self, value: str, name: str, *shape: int | str) -> None:
        """Gives out a value under this name."""
        self._nodes.append(_node("Identity", [value], name, {}))
        self._outputs.append(_value(name, shape))

    def constant(self, array: NDArray[Any]) -> str:
        """Adds an array of float32 or int64."""
        name = f"c{len(self._constants)}"
        kind = INT64 if array.dtype == np.int64 else FLOAT
        data = np.ascontiguousarray(array, dtype="<i8" if kind == INT64 else "<f4").tobytes()
        dims = b"".join(_number(1, length) for length in array.shape)
        self._constants.append(dims + _number(2, kind) + _bytes(8, name.encode()) + _bytes(9, data))
        return name

    def add(self, operator: str, *inputs: str, **attributes: Attribute) -> str:
        """Adds an operator and returns its output. inputs: "" for an optional one that is left out."""
        name = f"v{len(self._nodes)}"
        self._nodes.append(_node(operator, inputs, name, attributes))
        return name

    def model(self) -> bytes:
        """Returns the whole as an ONNX file."""
        graph = [_bytes(1, node) for node in self._nodes]
        graph.append(_bytes(2, self._name.encode()))
        graph += [_bytes(5, constant) for constant in self._constants]
        graph += [_bytes(11, value) for value in self._inputs]
        graph += [_bytes(12, value) for value in self._outputs]
        opset = _bytes(1, b"") + _number(2, OPSET)
        return _number(1, IR_VERSION) + _bytes(7, b"".join(graph)) + _bytes(8, opset)


def _node(operator: str, inputs: Iterable[str], output: str, attributes: dict[str, Attribute]) -> bytes:
    parts = [_bytes(1, name.encode()) for name in inputs]
    parts += [_bytes(2, output.encode()), _bytes(4, operator.encode())]
    parts += [_bytes(5, _attribute(name, value)) for name, value in attributes.items()]
    return b"".join(parts)


def _attribute(name: str, value: Attribute) -> bytes:
    head = _bytes(1, name.encode())
    if isinstance(value, float):
        return head + _key(2, 5) + struct.pack("<f", value) + _number(20, A_FLOAT)
    if isinstance(value, int):
        return head + _number(3, value) + _number(20, A_INT)
    if isinstance(value, str):
        return head + _bytes(4, value.encode()) + _number(20, A_STRING)
    return head + b"".join(_number(8, item) for item in value) + _number(20, A_INTS)


def _value(name: str, shape: Sequence[int | str]) -> bytes:
    dims = (_number(1, item) if isinstance(item, int) else _bytes(2, item.encode()) for item in shape)
    tensor = _number(1, FLOAT) + _bytes(2, b"".join(_bytes(1, dim) for dim in dims))
    return _bytes(1, name.encode()) + _bytes(2, _bytes(1, tensor))


def _key(field: int, kind: int) -> bytes:
    return _varint(field << 3 | kind)


def _number(field: int, value: int) -> bytes:
    return _key(field, 0) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _key(field, 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    """Returns a number in groups of seven bits, the lowest first; negative ones as 64-bit two's complement."""
    value &= (1 << 64) - 1
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)

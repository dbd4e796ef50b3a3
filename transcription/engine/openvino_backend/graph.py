"""What the graphs of the encoder and the decoder are built of: CTranslate2's variables, as OpenVINO's nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from openvino import opset13 as op

from transcription.engine.ct2_file import read_variables

Variables = dict[str, NDArray[Any]]
Node = Any
"""OpenVINO's; its factories carry no types."""

EPSILON = 1e-5
"""Of layer normalisation: torch's default."""


def variables_of(file: Path) -> Variables:
    """Returns the variables of CTranslate2's `model.bin`, by name; those that were quantised as float32.

    Raises EngineError for a file that ends early or is another version's.
    """
    variables = read_variables(file)
    for name, variable in variables.items():
        scale = variables.get(f"{name}_scale")
        if scale is not None and variable.dtype.kind == "i":
            variables[name] = variable / scale.reshape(scale.shape + (1,) * (variable.ndim - scale.ndim))
    return variables


def quantised(matrix: NDArray[np.float32]) -> Node:
    """Returns a matrix, (outputs, inputs), in int8 with a scale for each output, as the CPU's compiler keeps it."""
    scales = np.maximum(np.abs(matrix).max(axis=1, keepdims=True) / np.float32(127), np.float32(1e-10))
    whole = op.constant(np.rint(matrix / scales).astype(np.int8), shared_memory=True)
    return op.multiply(op.convert(whole, np.float32), op.constant(scales))


class GraphBuilder:
    """Builds the layers that encoder and decoder have in common, node by node. part: "encoder" or "decoder"."""

    def __init__(self, variables: Variables, part: str) -> None:
        self._variables = variables
        self.part = part
        self.heads = int(variables[f"{part}/num_heads"])
        self.layers = sum(name.startswith(f"{part}/") and name.endswith("ffn/linear_0/bias") for name in variables)

    def mlp(self, x: Node, name: str) -> Node:
        """Returns a layer's normalised x through two products."""
        wide = self.linear(self.norm(x, f"{name}/layer_norm"), f"{name}/linear_0")
        return self.linear(op.gelu(wide, "erf"), f"{name}/linear_1")

    def linear(self, x: Node, name: str) -> Node:
        """Returns x times a matrix in int8, plus its bias."""
        return op.add(op.matmul(x, self.quantised(f"{name}/weight"), False, True), self.constant(f"{name}/bias"))

    def norm(self, x: Node, name: str) -> Node:
        """Returns x after layer normalisation."""
        normal = op.mvn(x, [-1], True, EPSILON, "inside_sqrt")
        return op.add(op.multiply(normal, self.constant(f"{name}/gamma")), self.constant(f"{name}/beta"))

    def split_heads(self, x: Node) -> Node:
        """Returns (rows, length, state) as (rows, heads, length, width)."""
        return op.transpose(op.reshape(x, [0, 0, self.heads, -1], special_zero=True), [0, 2, 1, 3])

    def merge_heads(self, x: Node) -> Node:
        """Returns (rows, heads, length, width) as (rows, length, state)."""
        return op.reshape(op.transpose(x, [0, 2, 1, 3]), [0, 0, -1], special_zero=True)

    def quantised(self, name: str) -> Node:
        """Returns a matrix, (outputs, inputs), in int8."""
        return quantised(self.variable(name))

    def constant(self, name: str) -> Node:
        """Returns a variable in float32."""
        return op.constant(self.variable(name), shared_memory=True)

    def variable(self, name: str) -> NDArray[np.float32]:
        """Returns a variable in float32. Raises KeyError where it isn't there."""
        return self._variables[name].astype(np.float32)

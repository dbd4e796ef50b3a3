"""Runs Whisper's encoder on OpenVINO, from a graph that is built of CTranslate2's weights."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray
from openvino import opset13 as op

from transcription.engine.ct2_file import read_variables
from transcription.engine.ctranslate2_backend.errors import translated
from transcription.engine.ctranslate2_backend.replica import stand_back
from transcription.engine.types import EngineError

Features = NDArray[np.float32]
Variables = dict[str, NDArray[Any]]
Node = Any
"""OpenVINO's; its factories carry no types."""

EPSILON = 1e-5
"""Of layer normalisation: torch's default."""

PRECISIONS = {"bf16": "bfloat16", "f16": "float16", "f32": "float32"}


GROUP = 128
"""Activations that share a scale when they are quantised. It divides the width of every Whisper."""


class OpenvinoEncoder:
    """Encodes with weights in int8, and activations in what is fastest on the CPU: bfloat16, float16 or float32.

    Where the CPU multiplies int8 by itself activations are quantised, too, before each product with weights.
    Safe to call from several threads; its own encode.
    """

    version = openvino.__version__.partition("-")[0]

    def __init__(self, graph: openvino.Model, streams: int, threads: int, niceness: int = 0) -> None:
        """streams: windows to encode at once, each on so many threads.

        niceness: how far these stand back behind the process's others. Raises OutOfDeviceMemory.
        """
        options = {
            "NUM_STREAMS": streams,
            "INFERENCE_NUM_THREADS": streams * threads,
            "ENABLE_CPU_PINNING": False,
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": GROUP,
        }
        self.n_mels = graph.input().get_partial_shape()[1].get_length()
        self._streams = ThreadPoolExecutor(streams, "encoder", stand_back, (niceness,))
        with translated():
            # There, as OpenVINO's threads inherit the niceness of the one that compiles.
            compiled = self._streams.submit(openvino.Core().compile_model, graph, "CPU", options).result()
        self.precision = PRECISIONS[compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()]
        self._requests: SimpleQueue[openvino.InferRequest] = SimpleQueue()
        for _ in range(streams):
            self._requests.put(compiled.create_infer_request())

    def __call__(self, mels: Features) -> Features:
        """mels: (windows, n_mels, frames), up to 3000 frames; returns (windows, (frames + 1) // 2, state)."""
        with translated():
            return np.concatenate(list(self._streams.map(self._encoded, np.split(mels, len(mels)))))

    def _encoded(self, mel: Features) -> Features:
        request = self._requests.get()
        try:
            request.infer([mel])
            encoding: Features = request.get_output_tensor().data.copy()
            return encoding
        finally:
            self._requests.put(request)


def encoder_graph(folder: Path) -> openvino.Model:
    """Returns the encoder of a folder with CTranslate2's `model.bin`.

    Its input is log-mel windows, (windows, n_mels, frames), of up to 3000 frames; its output is their encodings,
    (windows, (frames + 1) // 2, state). Raises EngineError for a file that ends early, is another version's, or was
    quantised when it was converted.
    """
    variables = read_variables(folder / "model.bin", "encoder/")
    if any(variable.dtype.kind == "i" and variable.ndim for variable in variables.values()):
        raise EngineError(f"{folder / 'model.bin'} was quantised when it was converted")
    return _Builder(variables).model()


class _Builder:
    """openai-whisper's AudioEncoder, node by node."""

    def __init__(self, variables: Variables) -> None:
        self._variables = variables
        self._heads = int(variables["encoder/num_heads"])

    def model(self) -> openvino.Model:
        _, n_mels, _ = self._variables["encoder/conv1/weight"].shape
        mels = op.parameter([-1, n_mels, -1], np.float32, name="mels")
        x = self._convolution(mels, "encoder/conv1", stride=1)
        x = self._convolution(x, "encoder/conv2", stride=2)
        x = op.transpose(x, [0, 2, 1])
        length = op.gather(op.shape_of(x), [1], 0)
        x = op.add(x, op.slice(self._constant("encoder/position_encodings/encodings"), [0], length, [1], [0]))
        layers = sum(name.endswith("ffn/linear_0/bias") for name in self._variables)
        for layer in range(layers):
            x = op.add(x, self._attention(x, f"encoder/layer_{layer}/self_attention"))
            x = op.add(x, self._mlp(x, f"encoder/layer_{layer}/ffn"))
        return openvino.Model([op.result(self._norm(x, "encoder/layer_norm"))], [mels], "encoder")

    def _convolution(self, x: Node, name: str, stride: int) -> Node:
        """x: (windows, channels, frames)."""
        product = op.convolution(x, self._constant(f"{name}/weight"), [stride], [1], [1], [1])
        return op.gelu(op.add(product, op.unsqueeze(self._constant(f"{name}/bias"), [1])), "erf")

    def _attention(self, x: Node, name: str) -> Node:
        """x: (windows, length, state)."""
        qkv = self._linear(self._norm(x, f"{name}/layer_norm"), f"{name}/linear_0")
        qkv = op.reshape(qkv, [0, 0, 3, self._heads, -1], special_zero=True)
        parts = op.split(op.transpose(qkv, [2, 0, 3, 1, 4]), op.constant(0), 3).outputs()
        query, key, value = (op.squeeze(part, [0]) for part in parts)
        attended = op.transpose(op.scaled_dot_product_attention(query, key, value), [0, 2, 1, 3])
        return self._linear(op.reshape(attended, [0, 0, -1], special_zero=True), f"{name}/linear_1")

    def _mlp(self, x: Node, name: str) -> Node:
        wide = self._linear(self._norm(x, f"{name}/layer_norm"), f"{name}/linear_0")
        return self._linear(op.gelu(wide, "erf"), f"{name}/linear_1")

    def _linear(self, x: Node, name: str) -> Node:
        product = op.matmul(x, self._quantised(f"{name}/weight"), False, True)
        return op.add(product, self._constant(f"{name}/bias"))

    def _norm(self, x: Node, name: str) -> Node:
        normal = op.mvn(x, [-1], True, EPSILON, "inside_sqrt")
        return op.add(op.multiply(normal, self._constant(f"{name}/gamma")), self._constant(f"{name}/beta"))

    def _quantised(self, name: str) -> Node:
        """Returns a matrix (outputs, inputs) in int8 with a scale for each output, as the CPU's compiler keeps it."""
        matrix = self._variables[name].astype(np.float32)
        scales = np.maximum(np.abs(matrix).max(axis=1, keepdims=True) / np.float32(127), np.float32(1e-10))
        whole = op.constant(np.rint(matrix / scales).astype(np.int8), shared_memory=True)
        return op.multiply(op.convert(whole, np.float32), op.constant(scales))

    def _constant(self, name: str) -> Node:
        """Returns a variable in float32."""
        return op.constant(self._variables[name].astype(np.float32), shared_memory=True)

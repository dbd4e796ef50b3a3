"""The two networks as ONNX graphs, built from their published weights.

CAM++: Wang et al. 2023, arXiv:2303.00332; 3D-Speaker's `DTDNN.py`. Segmentation: Bredin 2023, pyannote.audio's
`PyanNet.py`, with SincNet's filters of asteroid-filterbanks' `ParamSincFB`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from transcription.diarization.onnx_graph import Graph
from transcription.diarization.torch_file import Tensors

Array = NDArray[np.float32]

EPSILON = 1e-5
MOST_FRAMES = 200
"""CAM++'s context is a mean over a hundred frames at half the rate, plus that of the whole. In shorter sounds both are
one, and the graph takes advantage of it."""

BLOCKS = ((12, 1), (24, 2), (16, 2))
"""CAM++'s dense blocks: layers, dilation."""

SINC_SAMPLE_RATE = 16_000
SINC_LEAST_HZ = 50.0
LEAKY_SLOPE = 0.01


def campplus(weights: Tensors) -> bytes:
    """Returns CAM++ as an ONNX file: `features` (n, 80, t ≤ MOST_FRAMES) to `embedding` (n, 192).

    There is no ReLU at the end: the last batch norm has no affine part.
    """
    net = _Campplus(weights)
    return net.build()


def segmentation(weights: Tensors) -> bytes:
    """Returns segmentation-3.0 as an ONNX file: `samples` (n, 1, t) in [-1, 1] to `scores` (n, frames, 7), the
    log-probabilities of nobody, 1, 2, 3, 1+2, 1+3, 2+3.
    """
    graph = Graph("segmentation-3.0")
    value = graph.input("samples", "n", 1, "t")
    value = _instance_norm(graph, weights, "sincnet.wav_norm1d", value)
    for layer in range(3):
        if layer == 0:
            value = graph.add("Conv", value, graph.constant(sinc_filters(weights)), strides=[10])
            value = graph.add("Abs", value)
        else:
            names = (f"sincnet.conv1d.{layer}.weight", f"sincnet.conv1d.{layer}.bias")
            value = graph.add("Conv", value, *(graph.constant(weights[name]) for name in names))
        value = graph.add("MaxPool", value, kernel_shape=[3], strides=[3])
        value = _instance_norm(graph, weights, f"sincnet.norm1d.{layer}", value)
        value = graph.add("LeakyRelu", value, alpha=LEAKY_SLOPE)
    value = graph.add("Transpose", value, perm=[2, 0, 1])
    for layer in range(4):
        value = _lstm(graph, weights, layer, value)
    value = graph.add("Transpose", value, perm=[1, 0, 2])
    for layer in range(2):
        value = graph.add("LeakyRelu", _dense(graph, weights, f"linear.{layer}", value), alpha=LEAKY_SLOPE)
    value = graph.add("LogSoftmax", _dense(graph, weights, "classifier", value), axis=-1)
    graph.output(value, "scores", "n", "frames", 7)
    return graph.model()


def sinc_filters(weights: Tensors) -> Array:
    """Returns SincNet's filters, shape (80, 1, 251): forty band passes as cosines, and as sines."""
    prefix = "sincnet.conv1d.0.filterbank."
    low_hz, band_hz, window, n = (weights[prefix + name] for name in ("low_hz_", "band_hz_", "window_", "n_"))
    low = SINC_LEAST_HZ + np.abs(low_hz)
    high = np.clip(low + SINC_LEAST_HZ + np.abs(band_hz), SINC_LEAST_HZ, SINC_SAMPLE_RATE / 2)
    band = high - low
    left = (np.sin(high @ n) - np.sin(low @ n)) / (n / 2) * window
    cosines = np.hstack([left, 2 * band, left[:, ::-1]])
    left = (np.cos(low @ n) - np.cos(high @ n)) / (n / 2) * window
    sines = np.hstack([left, np.zeros_like(band), -left[:, ::-1]])
    filters: Array = (np.vstack([cosines, sines]) / (2 * np.vstack([band, band])))[:, None].astype(np.float32)
    return filters


def _instance_norm(graph: Graph, weights: Tensors, name: str, value: str) -> str:
    scale, bias = (graph.constant(weights[f"{name}.{part}"]) for part in ("weight", "bias"))
    return graph.add("InstanceNormalization", value, scale, bias, epsilon=EPSILON)


def _lstm(graph: Graph, weights: Tensors, layer: int, value: str) -> str:
    """Adds an LSTM in both directions: (t, n, features) to (t, n, 256). ONNX orders the gates i, o, f, c; torch
    i, f, c, o.
    """

    def both(kind: str) -> Array:
        parts = (weights[f"lstm.{kind}_l{layer}{direction}"] for direction in ("", "_reverse"))
        return np.stack([np.concatenate([np.split(part, 4)[gate] for gate in (0, 3, 1, 2)]) for part in parts])

    biases = np.concatenate([both("bias_ih"), both("bias_hh")], axis=1)
    constants = (graph.constant(array) for array in (both("weight_ih"), both("weight_hh"), biases))
    value = graph.add("LSTM", value, *constants, direction="bidirectional", hidden_size=128)
    value = graph.add("Transpose", value, perm=[0, 2, 1, 3])
    return graph.add("Reshape", value, graph.constant(np.array([0, 0, -1])))


def _dense(graph: Graph, weights: Tensors, name: str, value: str) -> str:
    value = graph.add("MatMul", value, graph.constant(weights[f"{name}.weight"].T))
    return graph.add("Add", value, graph.constant(weights[f"{name}.bias"]))


class _Campplus:
    """Builds CAM++. Batch norms after a convolution are folded into it."""

    def __init__(self, weights: Tensors) -> None:
        self.weights = weights
        self.graph = Graph("CAM++")

    def build(self) -> bytes:
        add, constant = self.graph.add, self.graph.constant
        value = add("Unsqueeze", self.graph.input("features", "n", 80, "t"), constant(np.array([1])))
        value = self._conv2d(value, "head.conv1", "head.bn1", 1)
        for layer, block in ((1, 0), (1, 1), (2, 0), (2, 1)):
            value = self._residual(value, f"head.layer{layer}.{block}", 2 if block == 0 else 1)
        value = self._conv2d(value, "head.conv2", "head.bn2", 2)
        value = add("Reshape", value, constant(np.array([0, 320, -1])))
        value = self._conv1d(value, "xvector.tdnn.linear", "xvector.tdnn.nonlinear.batchnorm", padding=2, stride=2)
        value = add("Relu", value)
        for block, (layers, dilation) in enumerate(BLOCKS, 1):
            for layer in range(1, layers + 1):
                value = self._dense_layer(value, f"xvector.block{block}.tdnnd{layer}", dilation)
            value = self._norm(value, f"xvector.transit{block}.nonlinear.batchnorm")
            value = self._conv1d(value, f"xvector.transit{block}.linear")
        value = self._statistics(self._norm(value, "xvector.out_nonlinear.batchnorm"))
        weight, bias = self._folded("xvector.dense.linear", "xvector.dense.nonlinear.batchnorm")
        value = add("Add", add("MatMul", value, constant(weight[:, :, 0].T)), constant(bias))
        self.graph.output(value, "embedding", "n", 192)
        return self.graph.model()

    def _residual(self, value: str, name: str, stride: int) -> str:
        add = self.graph.add
        inner = self._conv2d(value, f"{name}.conv1", f"{name}.bn1", stride)
        inner = self._conv2d(inner, f"{name}.conv2", f"{name}.bn2", 1, relu=False)
        if stride > 1:
            value = self._conv2d(value, f"{name}.shortcut.0", f"{name}.shortcut.1", stride, relu=False)
        return add("Relu", add("Add", inner, value))

    def _dense_layer(self, value: str, name: str, dilation: int) -> str:
        add, constant = self.graph.add, self.graph.constant
        inner = self._norm(value, f"{name}.nonlinear1.batchnorm")
        inner = add("Relu", self._conv1d(inner, f"{name}.linear1", f"{name}.nonlinear2.batchnorm"))
        cam = f"{name}.cam_layer"
        local = self._conv1d(inner, f"{cam}.linear_local", padding=dilation, dilation=dilation)
        # The mean of the segment and that of the whole, which are one: twice the mean.
        context = add("ReduceMean", inner, axes=[2], keepdims=1)
        twice = constant(2 * self.weights[f"{cam}.linear1.weight"])
        context = add("Relu", add("Conv", context, twice, constant(self.weights[f"{cam}.linear1.bias"])))
        weight, bias = (constant(self.weights[f"{cam}.linear2.{part}"]) for part in ("weight", "bias"))
        gate = add("Sigmoid", add("Conv", context, weight, bias))
        return add("Concat", value, add("Mul", local, gate), axis=1)

    def _statistics(self, value: str) -> str:
        """Adds mean and standard deviation (with n - 1) over time: (n, c, t) to (n, 2 c)."""
        add, constant = self.graph.add, self.graph.constant
        mean = add("ReduceMean", value, axes=[2], keepdims=1)
        distance = add("Sub", value, mean)
        total = add("ReduceSum", add("Mul", distance, distance), constant(np.array([2])), keepdims=0)
        frames = add("Gather", add("Shape", value), constant(np.array([2])), axis=0)
        freedom = add("Sub", add("Cast", frames, to=1), constant(np.ones(1, np.float32)))
        deviation = add("Sqrt", add("Div", total, freedom))
        return add("Concat", add("Squeeze", mean, constant(np.array([2]))), deviation, axis=1)

    def _conv2d(self, value: str, conv: str, norm: str, stride: int, relu: bool = True) -> str:
        weight, bias = self._folded(conv, norm)
        border = weight.shape[2] // 2
        value = self.graph.add(
            "Conv",
            value,
            self.graph.constant(weight),
            self.graph.constant(bias),
            strides=[stride, 1],
            pads=[border] * 4,
        )
        return self.graph.add("Relu", value) if relu else value

    def _conv1d(
        self, value: str, conv: str, norm: str = "", padding: int = 0, stride: int = 1, dilation: int = 1
    ) -> str:
        arrays: Sequence[Array] = self._folded(conv, norm) if norm else (self.weights[f"{conv}.weight"],)
        constants = (self.graph.constant(array) for array in arrays)
        return self.graph.add(
            "Conv", value, *constants, strides=[stride], pads=[padding, padding], dilations=[dilation]
        )

    def _norm(self, value: str, name: str) -> str:
        """Adds a batch norm and a ReLU."""
        parts = (self.graph.constant(self.weights[f"{name}.{part}"]) for part in
                 ("weight", "bias", "running_mean", "running_var"))  # fmt: skip
        return self.graph.add("Relu", self.graph.add("BatchNormalization", value, *parts, epsilon=EPSILON))

    def _folded(self, conv: str, norm: str) -> tuple[Array, Array]:
        """Returns weight and bias of a convolution without bias and the batch norm after it."""
        weight, mean = self.weights[f"{conv}.weight"], self.weights[f"{norm}.running_mean"]
        scale = self.weights.get(f"{norm}.weight", np.ones_like(mean)) / np.sqrt(
            self.weights[f"{norm}.running_var"] + np.float32(EPSILON)
        )
        bias = self.weights.get(f"{norm}.bias", np.zeros_like(mean)) - mean * scale
        folded = weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
        return folded.astype(np.float32), bias.astype(np.float32)

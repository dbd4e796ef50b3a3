"""Whisper's encoder as a graph."""

from __future__ import annotations

import numpy as np
import openvino
from openvino import opset13 as op

from transcription.engine.openvino_backend.graph import GraphBuilder, Node, Variables


def encoder_graph(variables: Variables) -> openvino.Model:
    """Returns openai-whisper's AudioEncoder.

    Its input is log-mel windows, (windows, n_mels, frames), of up to 3000 frames; its output is their encodings,
    (windows, (frames + 1) // 2, state). Raises KeyError for a variable that isn't there.
    """
    builder = GraphBuilder(variables, "encoder")
    _, n_mels, _ = variables["encoder/conv1/weight"].shape
    mels = op.parameter([-1, n_mels, -1], np.float32, name="mels")
    x = _convolution(builder, mels, "encoder/conv1", stride=1)
    x = _convolution(builder, x, "encoder/conv2", stride=2)
    x = op.transpose(x, [0, 2, 1])
    length = op.gather(op.shape_of(x), [1], 0)
    x = op.add(x, op.slice(builder.constant("encoder/position_encodings/encodings"), [0], length, [1], [0]))
    for layer in range(builder.layers):
        x = op.add(x, _attention(builder, x, f"encoder/layer_{layer}/self_attention"))
        x = op.add(x, builder.mlp(x, f"encoder/layer_{layer}/ffn"))
    return openvino.Model([op.result(builder.norm(x, "encoder/layer_norm"))], [mels], "encoder")


def _convolution(builder: GraphBuilder, x: Node, name: str, stride: int) -> Node:
    """x: (windows, channels, frames)."""
    product = op.convolution(x, builder.constant(f"{name}/weight"), [stride], [1], [1], [1])
    return op.gelu(op.add(product, op.unsqueeze(builder.constant(f"{name}/bias"), [1])), "erf")


def _attention(builder: GraphBuilder, x: Node, name: str) -> Node:
    """x: (windows, length, state)."""
    qkv = builder.linear(builder.norm(x, f"{name}/layer_norm"), f"{name}/linear_0")
    qkv = op.reshape(qkv, [0, 0, 3, builder.heads, -1], special_zero=True)
    parts = op.split(op.transpose(qkv, [2, 0, 3, 1, 4]), op.constant(0), 3).outputs()
    query, key, value = (op.squeeze(part, [0]) for part in parts)
    attended = builder.merge_heads(op.scaled_dot_product_attention(query, key, value))
    return builder.linear(attended, f"{name}/linear_1")

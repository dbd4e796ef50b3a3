"""Whisper's decoder as graphs: one for what is made of an encoding once, one for what is done with each token."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import openvino
from openvino import opset13 as op
from openvino.op.util import Variable, VariableInfo

from transcription.engine.openvino_backend.graph import GraphBuilder, Node, Variables

Heads = Sequence[tuple[int, int]]


def cross_graph(variables: Variables, element: openvino.Type) -> openvino.Model:
    """Returns the graph of the keys and values of the cross-attention.

    Its input is encodings, (windows, positions, state). Its outputs, named key_0, value_0, key_1 and so on, are of each
    layer: keys (windows, heads, width, positions), values (windows, heads, positions, width), in the element type.
    """
    builder = GraphBuilder(variables, "decoder")
    state = variables["decoder/position_encodings/encodings"].shape[1]
    encodings = op.parameter([-1, -1, state], np.float32, name="encodings")
    results = []
    for layer in range(builder.layers):
        both = builder.linear(encodings, f"decoder/layer_{layer}/attention/linear_1")
        both = op.reshape(both, [0, 0, 2, builder.heads, -1], special_zero=True)
        key, value = op.split(both, op.constant(2), 2).outputs()
        for name, part, order in (("key", key, [0, 2, 3, 1]), ("value", value, [0, 2, 1, 3])):
            result = op.result(op.convert(op.transpose(op.squeeze(part, [2]), order), element))
            result.output(0).tensor.names = {f"{name}_{layer}"}
            results.append(result)
    return openvino.Model(results, [encodings], "cross")


def decoder_graph(variables: Variables, element: openvino.Type, alignment_heads: Heads) -> openvino.Model:
    """Returns openai-whisper's TextDecoder, which keeps the keys and values of its self-attention from call to call.

    Rows are the texts of windows, as many of each, next to each other. Inputs:
    embeddings: (rows, length, state), of tokens and positions.
    sources: (rows,), of each row the one that it continued in the call before.
    mask: (rows, 1, length, length so far), what is added to the attention's scores. Not one for all rows: in bfloat16
    OpenVINO 2026.4 reads beyond it.
    wanted: (n,), the indices of the tokens whose logits are wanted.
    key_0, value_0 and so on: what cross_graph returns.
    Outputs: logits, (rows, n, vocabulary). scores: of the alignment heads before their softmax, (windows, heads, texts
    of a window * length, positions).
    """
    return _DecoderGraph(variables, element, alignment_heads).model()


class _DecoderGraph:
    def __init__(self, variables: Variables, element: openvino.Type, alignment_heads: Heads) -> None:
        self._builder = GraphBuilder(variables, "decoder")
        self._element = element
        self._state = variables["decoder/position_encodings/encodings"].shape[1]
        self._width = self._state // self._builder.heads
        self._alignment_heads = alignment_heads
        self._sources = op.parameter([-1], np.int32, name="sources")
        self._mask = op.parameter([-1, 1, -1, -1], np.float32, name="mask")
        self._inputs = [self._sources, self._mask]
        self._kept: list[Node] = []
        self._scores: dict[tuple[int, int], Node] = {}

    def model(self) -> openvino.Model:
        builder = self._builder
        embeddings = op.parameter([-1, -1, self._state], np.float32, name="embeddings")
        wanted = op.parameter([-1], np.int32, name="wanted")
        self._inputs += [embeddings, wanted]
        x = embeddings
        for layer in range(builder.layers):
            name = f"decoder/layer_{layer}"
            x = op.add(x, self._self_attention(x, f"{name}/self_attention", layer))
            x = op.add(x, self._cross_attention(x, f"{name}/attention", layer))
            x = op.add(x, builder.mlp(x, f"{name}/ffn"))
        x = builder.norm(op.gather(x, wanted, op.constant(1)), "decoder/layer_norm")
        logits = op.result(op.matmul(x, builder.quantised("decoder/projection/weight"), False, True))
        logits.output(0).tensor.names = {"logits"}
        scores = op.result(op.concat([self._scores[head] for head in self._alignment_heads], 1))
        scores.output(0).tensor.names = {"scores"}
        return openvino.Model([logits, scores], self._kept, self._inputs, "decoder")

    def _self_attention(self, x: Node, name: str, layer: int) -> Node:
        builder = self._builder
        qkv = builder.linear(builder.norm(x, f"{name}/layer_norm"), f"{name}/linear_0")
        query, key, value = (builder.split_heads(part) for part in op.split(qkv, op.constant(2), 3).outputs())
        keys, values = self._grown(f"key_{layer}", key), self._grown(f"value_{layer}", value)
        # The compiler fuses this with the variables that `_grown` reads and writes.
        attended = op.scaled_dot_product_attention(query, keys, values, self._mask)
        return builder.linear(builder.merge_heads(attended), f"{name}/linear_1")

    def _grown(self, name: str, new: Node) -> Node:
        """Returns what a variable holds of the rows' sources, with what is new after it, which it holds from now on."""
        info = VariableInfo()
        info.data_shape = openvino.PartialShape([-1, self._builder.heads, -1, self._width])
        info.data_type, info.variable_id = openvino.Type.f32, name
        variable = Variable(info)
        rows = op.convert(op.shape_of(self._sources), np.int64)
        shape = op.concat([rows, op.constant(np.array([self._builder.heads, 0, self._width]))], 0)
        past = op.read_value(op.broadcast(op.constant(np.float32(0)), shape), variable)
        grown = op.concat([op.gather(past, self._sources, op.constant(0)), new], 2)
        self._kept.append(op.assign(grown, variable))
        return grown

    def _cross_attention(self, x: Node, name: str, layer: int) -> Node:
        """x: (rows, length, state). The texts of a window share its keys and values, which are read once."""
        builder = self._builder
        keys, values = self._cross(f"key_{layer}", transposed=True), self._cross(f"value_{layer}", transposed=False)
        query = builder.linear(builder.norm(x, f"{name}/layer_norm"), f"{name}/linear_0")
        windows = op.slice(op.shape_of(keys), [0], [1], [1], [0])
        shape = op.concat([windows, op.constant(np.array([-1, builder.heads, self._width]))], 0)
        query = op.transpose(op.reshape(query, shape, special_zero=False), [0, 2, 1, 3])
        # As written by hand: what the compiler makes of its own attention transposes and scales the keys at each step.
        scaled = op.multiply(query, op.constant(np.float32(self._width**-0.5)))
        scores = op.matmul(scaled, keys, False, False)
        for head in (head for at, head in self._alignment_heads if at == layer):
            self._scores[layer, head] = op.gather(scores, op.constant([head]), op.constant(1))
        attended = builder.merge_heads(op.matmul(op.softmax(scores, 3), values, False, False))
        return builder.linear(op.reshape(attended, op.shape_of(x), special_zero=False), f"{name}/linear_2")

    def _cross(self, name: str, *, transposed: bool) -> Node:
        shape = [-1, self._builder.heads, self._width, -1] if transposed else [-1, self._builder.heads, -1, self._width]
        given = op.parameter(shape, self._element, name=name)
        self._inputs.append(given)
        return given if self._element == openvino.Type.f32 else op.convert(given, np.float32)

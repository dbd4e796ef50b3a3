"""Feeds the texts of windows to the decoder, token by token."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import openvino
from numpy.typing import NDArray

from transcription.engine.library_errors import translated
from transcription.engine.openvino_backend.compiled import Streams, new_request
from transcription.engine.openvino_backend.graphs import Graphs

Features = NDArray[np.float32]

HIDDEN = np.float32(-1e9)
"""What is added to the scores of later positions."""


@dataclass(frozen=True, slots=True)
class CrossKeysValues:
    """The keys and values of every layer's cross-attention, of one window or several, by the names of the graphs."""

    tensors: dict[str, openvino.Tensor]

    @classmethod
    def joined(cls, windows: Sequence[CrossKeysValues]) -> CrossKeysValues:
        """Returns a copy of those of several windows of one length, as a batch; the same ones for a single window."""
        if len(windows) == 1:
            return windows[0]
        batch = {}
        for name, one in windows[0].tensors.items():
            batch[name] = openvino.Tensor(one.element_type, openvino.Shape([len(windows), *list(one.shape)[1:]]))
        joined = cls(batch)
        for at, window in enumerate(windows):
            joined._write(at, window)
        return joined

    def kept(self, windows: Sequence[int]) -> CrossKeysValues:
        """Returns views of the first places, after windows were copied to those that others had.

        windows: of each place, the window that is to be there.
        """
        for place, window in enumerate(windows):
            if place != window:
                self._write(place, self._part(window, window + 1))
        return self._part(0, len(windows))

    def _part(self, begin: int, end: int) -> CrossKeysValues:
        return CrossKeysValues(
            {
                name: openvino.Tensor(tensor, [begin, 0, 0, 0], [end, *list(tensor.shape)[1:]])
                for name, tensor in self.tensors.items()
            }
        )

    def _write(self, at: int, window: CrossKeysValues) -> None:
        for name, tensor in self._part(at, at + 1).tensors.items():
            window.tensors[name].copy_to(tensor)


class Decoder:
    """A model's decoder, compiled. Safe to call from several threads of its streams."""

    def __init__(self, graphs: Graphs, streams: Streams) -> None:
        self.context = len(graphs.positions)
        self.streams = streams
        self._graphs = graphs
        self._cross = streams.compile(graphs.cross, graphs.element)
        self._decoder = streams.compile(graphs.decoder, graphs.element)

    def cross_keys_values(self, encoding: Features) -> CrossKeysValues:
        """Returns what the cross-attention reads of a window. encoding: (positions, state)."""
        positions, state = encoding.shape
        graphs, tensors = self._graphs, dict[str, openvino.Tensor]()
        for layer in range(graphs.layers):
            keys = [1, graphs.heads, state // graphs.heads, positions]
            values = [1, graphs.heads, positions, state // graphs.heads]
            for name, shape in (("key", keys), ("value", values)):
                tensors[f"{name}_{layer}"] = openvino.Tensor(graphs.element, openvino.Shape(shape))
        with translated():
            new_request(self._cross, tensors).infer([encoding[None]])
        return CrossKeysValues(tensors)

    def texts(self, cross: CrossKeysValues) -> Texts:
        """Returns the texts of a batch of windows, one for each, which are empty."""
        return Texts(self._decoder, cross, self._graphs.tokens, self._graphs.positions)


class Texts:
    """The texts of a batch of windows, as many of each, all of one length."""

    def __init__(
        self, decoder: openvino.CompiledModel, cross: CrossKeysValues, tokens: NDArray[np.floating], positions: Features
    ) -> None:
        self._decoder = decoder
        self._tokens = tokens
        self._positions = positions
        self._length = 0
        self._cross = cross
        self._request = new_request(decoder, cross.tensors)

    def feed(
        self, tokens: Sequence[Sequence[int]], sources: Sequence[int] | None = None, wanted: Sequence[int] = (-1,)
    ) -> Features:
        """Continues texts and returns logits, (texts, len(wanted), vocabulary), which the next call overwrites.

        tokens: of each text, as many of each. sources: of each text the one that it continues; itself without them.
        wanted: the indices of the new tokens whose logits are returned.
        """
        fed = np.asarray(tokens)
        rows, length = fed.shape
        embeddings = self._tokens[fed].astype(np.float32) + self._positions[self._length : self._length + length]
        mask = np.zeros((rows, 1, length, self._length + length), np.float32)
        mask[:, 0, :, self._length :] = np.triu(np.full((length, length), HIDDEN), 1)
        self._length += length
        inputs = {
            "embeddings": embeddings,
            "mask": mask,
            "sources": np.asarray(range(rows) if sources is None else sources, np.int32),
            "wanted": np.asarray(wanted, np.int32) % length,
        }
        for name, value in inputs.items():
            self._request.set_tensor(name, openvino.Tensor(value))
        with translated():
            self._request.infer()
        logits: Features = self._request.get_tensor("logits").data
        return logits

    @property
    def scores(self) -> Features:
        """Those of the alignment heads for the latest tokens, before softmax, (windows, heads, tokens, positions)."""
        scores: Features = self._request.get_tensor("scores").data
        return scores

    def repeat(self, count: int) -> None:
        """Makes so many texts of each of the windows'."""
        self._continue(self._cross, lambda state: np.repeat(state, count, axis=0))

    def keep(self, windows: Sequence[int]) -> None:
        """Keeps some windows, in a new order, with their texts."""
        before = int(next(iter(self._cross.tensors.values())).shape[0])
        self._continue(
            self._cross.kept(windows),
            lambda state: state.reshape(before, -1, *state.shape[1:])[windows].reshape(-1, *state.shape[1:]),
        )

    def _continue(self, cross: CrossKeysValues, rows: Callable[[Features], Features]) -> None:
        """Goes on in a new request, whose number of texts is another: OpenVINO 2026.4 writes beyond the memory of one
        that had more texts before."""
        states = {state.name: state.state for state in self._request.query_state()}
        self._cross, self._request = cross, new_request(self._decoder, cross.tensors)
        for state in self._request.query_state():
            state.state = openvino.Tensor(np.ascontiguousarray(rows(states[state.name].data)))

"""The graphs of a model, and what is looked up beside them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openvino
from numpy.typing import NDArray

from transcription.engine.openvino_backend.decoder_graph import Heads, cross_graph, decoder_graph
from transcription.engine.openvino_backend.encoder_graph import encoder_graph
from transcription.engine.openvino_backend.graph import GraphBuilder, variables_of


@dataclass(frozen=True, slots=True)
class Graphs:
    """A Whisper.

    tokens, (vocabulary, state), and positions, (context, state), are the decoder's embeddings: OpenVINO would keep them
    in float32. element: the type of the cross-attention's keys and values, and of what
    is not in int8.
    """

    encoder: openvino.Model
    cross: openvino.Model
    decoder: openvino.Model
    tokens: NDArray[np.floating]
    positions: NDArray[np.float32]
    heads: int
    layers: int
    element: openvino.Type

    @property
    def n_mels(self) -> int:
        """How many bands of the spectrogram the encoder takes."""
        return int(self.encoder.input().get_partial_shape()[1].get_length())


def graphs_of(file: Path, alignment_heads: Heads, element: openvino.Type) -> Graphs:
    """Returns the graphs of CTranslate2's `model.bin`.

    Raises EngineError for a file that ends early or is another version's, KeyError where it is no Whisper's.
    """
    variables = variables_of(file)
    decoder = GraphBuilder(variables, "decoder")
    return Graphs(
        encoder_graph(variables),
        cross_graph(variables, element),
        decoder_graph(variables, element, alignment_heads),
        # A copy: the variables are views of the file, which may be another one tomorrow.
        np.array(variables["decoder/embeddings/weight"]),
        decoder.variable("decoder/position_encodings/encodings"),
        decoder.heads,
        decoder.layers,
        element,
    )

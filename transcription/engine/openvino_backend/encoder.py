"""Encodes windows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transcription.engine.library_errors import translated
from transcription.engine.openvino_backend.compiled import Streams
from transcription.engine.openvino_backend.graphs import Graphs

Features = NDArray[np.float32]


class Encoder:
    """Encodes with weights in int8, and activations in what is fastest on the CPU: bfloat16, float16 or float32.

    Where the CPU multiplies int8 by itself activations are quantised, too, before each product with weights. Safe to
    call from several threads; its own encode.
    """

    def __init__(self, graphs: Graphs, streams: Streams) -> None:
        self.n_mels = graphs.n_mels
        self.streams = streams
        self._compiled = streams.compile(graphs.encoder, graphs.element)

    def __call__(self, mels: Features) -> Features:
        """mels: (windows, n_mels, frames), up to 3000 frames; returns (windows, (frames + 1) // 2, state)."""
        calls = [self.streams.submit(self._encoded, mel[None]) for mel in mels]
        return np.concatenate([call.result() for call in calls])

    def _encoded(self, mel: Features) -> Features:
        request = self._compiled.create_infer_request()
        with translated():
            request.infer([mel])
        encoding: Features = request.get_output_tensor().data.copy()
        return encoding

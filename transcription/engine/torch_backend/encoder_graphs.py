"""Captures and replays the encoder as CUDA graphs, one for each usual batch; without CUDA the encoder is called.

The CUDA half HAS NOT RUN on a GPU yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from transcription.engine.torch_backend.device import DEVICE, WorkStream
from transcription.engine.torch_backend.encoder import Encoder
from transcription.engine.torch_backend.graphs import WARM_UPS
from transcription.engine.torch_backend.parameters import Parameters
from transcription.engine.types import WINDOW_FRAMES


@dataclass(frozen=True)
class _Captured:
    """A graph with the memory that it reads and writes."""

    graph: torch.cuda.CUDAGraph
    mels: Tensor
    encodings: Tensor


class EncoderGraphs:
    """Encodes whole windows by replaying a graph: one launch, where the encoder has hundreds that wait for Python.

    Other batches, and short windows, are encoded by the encoder itself. batches: how many windows are encoded at once.
    stream: on which all is called, by one thread at a time. enabled: whether to use graphs, which needs CUDA.
    """

    @torch.inference_mode()
    def __init__(self, parameters: Parameters, batches: Sequence[int], stream: WorkStream, enabled: bool) -> None:
        self._encoder = Encoder(parameters.audio)
        self._stream = stream
        self._captured: dict[torch.Size, _Captured] = {}
        self._pool = torch.cuda.graph_pool_handle() if enabled else None
        for windows in sorted(batches if enabled else (), reverse=True):
            shape = (windows, parameters.dims.n_mels, WINDOW_FRAMES)
            with DEVICE.alone(), stream.current():
                self._capture(torch.zeros(shape, device=parameters.device))

    @torch.inference_mode()
    def __call__(self, mels: Tensor) -> Tensor:
        """As Encoder's. The encodings are a copy: the next batch overwrites the graph's."""
        captured = self._captured.get(mels.shape)
        if captured is None:
            return self._encoder(mels)
        captured.mels.copy_(mels)
        captured.graph.replay()
        return captured.encodings.clone()

    def _capture(self, mels: Tensor) -> None:
        for _ in range(WARM_UPS):
            self._encoder(mels)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, self._pool, self._stream.stream, capture_error_mode="thread_local"):
            encodings = self._encoder(mels)
        self._captured[mels.shape] = _Captured(graph, mels, encodings)

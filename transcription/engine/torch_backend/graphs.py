"""Captures and replays the decoder's step as CUDA graphs, one for each shape; without CUDA the step is called.

The CUDA half follows torch's documentation and HAS NOT RUN on a GPU yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager

import torch

from transcription.engine.torch_backend.device import DEVICE, WorkStream
from transcription.engine.torch_backend.step import StepShape

WARM_UPS = 2
"""Eager runs before a capture, in which cuBLAS allocates its workspaces and torch selects its kernels."""


class StepGraphs:
    """Runs a step, and captures it the first time that its shape occurs, but for steps of short encodings: there are
    hundreds of those shapes, which clips of the smaller models have.

    step: a function that reads and writes static tensors only and never waits for the device. idle: returns a context
    in which the step changes no window. stream: on which all is
    called. enabled: whether to use graphs, which needs CUDA.

    All graphs share one memory pool: they run one after another on one stream, and none reads what another left in it.
    They are warmed up and captured on that stream, too: so cuBLAS has one workspace for it, outside of the pool. torch
    gives that up with the first graph that goes: so all stay until the last does, those that failed, too.
    """

    def __init__(
        self,
        step: Callable[[StepShape], None],
        idle: Callable[[], AbstractContextManager[None]],
        stream: WorkStream,
        enabled: bool,
    ) -> None:
        self._step = step
        self._idle = idle
        self._stream = stream
        self._graphs: dict[StepShape, torch.cuda.CUDAGraph] = {}
        self._begun: list[torch.cuda.CUDAGraph] = []
        self._enabled = enabled
        self._pool = torch.cuda.graph_pool_handle() if enabled else None

    def run(self, shape: StepShape) -> None:
        """Runs one step; on CUDA it is only queued on the current stream."""
        if not self._enabled or shape.audio is not None:
            with DEVICE.shared():
                self._step(shape)
            return
        graph = self._graphs.get(shape) or self.capture(shape)
        graph.replay()

    def capture_all(self, shapes: Iterable[StepShape]) -> None:
        """Captures the shapes that are not captured yet, the largest first so that the pool grows once."""
        missing = [shape for shape in shapes if self._enabled and shape not in self._graphs]
        for shape in sorted(missing, key=lambda shape: (-shape.rows, -shape.context)):
            self.capture(shape)

    def capture(self, shape: StepShape) -> torch.cuda.CUDAGraph:
        """Captures the graph of a shape. Takes a fraction of a second, waits for the device, and has it alone."""
        graph = torch.cuda.CUDAGraph()
        self._begun.append(graph)
        with DEVICE.alone():
            with self._idle():
                for _ in range(WARM_UPS):
                    self._step(shape)
            # thread_local: another model's step may look whether a copy has arrived.
            with torch.cuda.graph(graph, self._pool, self._stream.stream, capture_error_mode="thread_local"):
                self._step(shape)
        self._graphs[shape] = graph
        return graph

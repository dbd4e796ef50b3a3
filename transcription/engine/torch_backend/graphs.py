"""CUDA graphs of the decoder's step, one for every shape; a plain call elsewhere.

The CUDA half follows torch's documentation and HAS NOT RUN on a GPU yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager

import torch

from transcription.engine.torch_backend.step import StepShape

WARM_UPS = 2
"""Eager runs before a capture: cuBLAS allocates its workspaces, torch picks its kernels."""


class StepGraphs:
    """Runs a step, captured the first time that its shape is seen.

    step: reads and writes static tensors only, and never waits for the device.
    idle: a context in which running the step changes nothing that counts.
    enabled: whether there are graphs at all; only CUDA has them.

    All graphs share one memory pool: they run one after another on one stream, and leave
    nothing in it that a later one needs.
    """

    def __init__(
        self,
        step: Callable[[StepShape], None],
        idle: Callable[[], AbstractContextManager[None]],
        device: torch.device,
        enabled: bool,
    ) -> None:
        self._step = step
        self._idle = idle
        self._device = device
        self._graphs: dict[StepShape, torch.cuda.CUDAGraph] = {}
        self._enabled = enabled
        self._pool = torch.cuda.graph_pool_handle() if enabled else None

    def run(self, shape: StepShape) -> None:
        """One step; on CUDA it is only queued on the current stream."""
        if not self._enabled:
            self._step(shape)
            return
        graph = self._graphs.get(shape) or self.capture(shape)
        graph.replay()

    def capture_all(self, shapes: Iterable[StepShape]) -> int:
        """Capture ahead of the first use, the largest first so that the pool grows once."""
        if not self._enabled:
            return 0
        missing = [shape for shape in shapes if shape not in self._graphs]
        for shape in sorted(missing, key=lambda shape: (-shape.rows, -shape.context)):
            self.capture(shape)
        return len(missing)

    def capture(self, shape: StepShape) -> torch.cuda.CUDAGraph:
        """Capture a shape's graph; takes a fraction of a second and waits for the device."""
        own = torch.cuda.current_stream(self._device)
        side = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        with self._idle():
            side.wait_stream(own)
            with torch.cuda.stream(side):
                for _ in range(WARM_UPS):
                    self._step(shape)
            own.wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        # thread_local: another thread's encoder may allocate meanwhile.
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            self._step(shape)
        self._graphs[shape] = graph
        return graph

"""Graphs that are compiled for the CPU, and the threads in which they run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

import openvino

from transcription.engine.library_errors import translated
from transcription.engine.machine import stand_back

P = ParamSpec("P")
T = TypeVar("T")

GROUP = 128
"""Activations that share a scale when they are quantised. It divides the width of every Whisper."""


class Streams:
    """Threads that run graphs side by side.

    count: how many calls at once, each with so many threads. niceness: how far these stand back behind the process's
    others.
    """

    def __init__(self, count: int, threads: int, niceness: int = 0) -> None:
        self.count = count
        self._threads = threads
        self._pool = ThreadPoolExecutor(count, "openvino", stand_back, (niceness,))

    def submit(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Calls a function in one of the threads."""
        return self._pool.submit(call, *args, **kwargs)

    def compile(self, graph: openvino.Model, element: openvino.Type) -> openvino.CompiledModel:
        """Compiles a graph, one call of which runs in each of the threads at once. Raises OutOfDeviceMemory.

        element: the type in which it calculates what is not in int8.
        """
        options = {
            "NUM_STREAMS": self.count,
            "INFERENCE_NUM_THREADS": self.count * self._threads,
            "ENABLE_CPU_PINNING": False,
            "INFERENCE_PRECISION_HINT": element,
            "KV_CACHE_PRECISION": element,
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": GROUP,
        }
        with translated():
            # There, as OpenVINO's threads inherit the niceness of the one that compiles.
            return self.submit(openvino.Core().compile_model, graph, "CPU", options).result()

    def close(self) -> None:
        """Ends the threads when their calls have ended."""
        self._pool.shutdown(wait=False)


def new_request(graph: openvino.CompiledModel, tensors: Mapping[str, openvino.Tensor]) -> openvino.InferRequest:
    """Returns a new request, which takes a fraction of a millisecond. tensors: inputs and outputs, by name."""
    request = graph.create_infer_request()
    for name, tensor in tensors.items():
        request.set_tensor(name, tensor)
    return request

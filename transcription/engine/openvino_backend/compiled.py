"""Graphs that are compiled for the CPU, and the threads in which they run."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import openvino

from transcription.engine.library_errors import translated
from transcription.engine.machine import stand_back

GROUP = 128
"""Activations that share a scale when they are quantised. It divides the width of every Whisper."""


class Streams(ThreadPoolExecutor):
    """Threads that run graphs side by side.

    count: how many calls at once, each with so many threads. niceness: how far these stand back behind the process's
    others.
    """

    def __init__(self, count: int, threads: int, niceness: int = 0) -> None:
        super().__init__(count, "openvino", stand_back, (niceness,))
        self.count = count
        self._cores = count * threads

    def compile(self, graph: openvino.Model, element: openvino.Type) -> openvino.CompiledModel:
        """Compiles a graph, one call of which runs in each of the threads at once. Raises OutOfDeviceMemory.

        element: the type in which it calculates what is not in int8.
        """
        options = {
            "NUM_STREAMS": self.count,
            "INFERENCE_NUM_THREADS": self._cores,
            "ENABLE_CPU_PINNING": False,
            "INFERENCE_PRECISION_HINT": element,
            "KV_CACHE_PRECISION": element,
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": GROUP,
        }
        with translated():
            # There, as OpenVINO's threads inherit the niceness of the one that compiles.
            return self.submit(openvino.Core().compile_model, graph, "CPU", options).result()


def new_request(graph: openvino.CompiledModel, tensors: Mapping[str, openvino.Tensor]) -> openvino.InferRequest:
    """Returns a new request, which takes a fraction of a millisecond. tensors: inputs and outputs, by name."""
    request = graph.create_infer_request()
    for name, tensor in tensors.items():
        request.set_tensor(name, tensor)
    return request

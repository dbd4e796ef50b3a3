"""The two networks, opened with OpenVINO or onnxruntime."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from transcription.diarization import weights
from transcription.diarization.fbank import fbank
from transcription.diarization.types import SAMPLE_RATE
from transcription.engine.onnx_network import open_network

Array = NDArray[np.float32]
Network = Callable[[Array], Array]

WINDOW_SECONDS = 10.0
WINDOW_SAMPLES = int(WINDOW_SECONDS * SAMPLE_RATE)
FRAMES = 589
FRAME_SECONDS = 0.016875
VOICE_SAMPLES = 24_000
"""A voice is embedded from 1.5 s."""

BATCH = 4
"""Windows embedded in one call: more of them take more memory, and no less time."""


class Networks:
    """Both networks. Raises DiarizationError where their weights are missing or damaged."""

    def __init__(self, folder: Path) -> None:
        place = weights.found(folder)
        self._segmentation = _open(place / weights.SEGMENTATION)
        self._campplus = _open(place / weights.CAMPPLUS)

    def classes(self, samples: Array) -> NDArray[np.uint8]:
        """Returns who of three local speakers is active in each frame of 10 s, shape (589,): 0 nobody, 1, 2, 3, 4 for
        1+2, 5 for 1+3, 6 for 2+3.
        """
        scores = self._segmentation(samples[None, None])[0]
        found: NDArray[np.uint8] = scores.argmax(axis=1).astype(np.uint8)
        return found

    def embeddings(self, windows: list[Array]) -> Array:
        """Returns the voices in windows of equal length (at most 2 s), shape (n, 192), each of length 1."""
        found: list[Array] = []
        for first in range(0, len(windows), BATCH):
            features = np.stack([fbank(window) for window in windows[first : first + BATCH]])
            features -= features.mean(axis=2, keepdims=True)
            found.append(self._campplus(features))
        every = np.concatenate(found)
        every /= np.maximum(np.linalg.norm(every, axis=1, keepdims=True), 1e-9)
        return every


def _open(file: Path) -> Network:
    return (_in_openvino(file) if importlib.util.find_spec("openvino") else None) or _in_onnxruntime(file)


def _in_openvino(file: Path) -> Network | None:
    """Returns a network that calculates in bfloat16, half the time of float32; None on a CPU that doesn't by itself."""
    # Another package's, which reports on its user; it is not needed.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    core = openvino.Core()
    if "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        return None
    options = {
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": 1,
        "ENABLE_CPU_PINNING": False,
        "INFERENCE_PRECISION_HINT": openvino.Type.bf16,
    }
    request = core.compile_model(file, "CPU", options).create_infer_request()

    def run(x: Array) -> Array:
        result: Array = request.infer([x])[0].copy()
        return result

    return run


def _in_onnxruntime(file: Path) -> Network:
    session = open_network(file)
    (taken,) = session.get_inputs()

    def run(x: Array) -> Array:
        result: Array = session.run(None, {taken.name: x})[0]
        return result

    return run

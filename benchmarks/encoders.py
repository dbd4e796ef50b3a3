"""The encoders of a CPU side by side: `python -m benchmarks.encoders [--repeats N] [--threads N]`.

Each encodes the first 30 s of the clips joined, whole and cut to fewer frames, in turns. CPU time is that of all
threads of the process, which other processes hardly change. The distance to openai-whisper's encoding in fp32 is the
norm of the difference over the norm.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from importlib.metadata import version

import numpy as np
import torch
from ctranslate2 import StorageView

from benchmarks.speech import clips, joined
from benchmarks.table import machine, print_table, spread
from benchmarks.whisper_base import base_folder, base_model
from transcription.engine.ctranslate2_backend.replica import Plan, load
from transcription.engine.machine import cores, sleep_between_parallel_work
from transcription.engine.mel import features
from transcription.engine.openvino_backend.compiled import Streams
from transcription.engine.openvino_backend.encoder import Encoder, Features
from transcription.engine.openvino_backend.graphs import graphs_of
from transcription.engine.openvino_backend.trial import PRECISIONS, element_type
from transcription.engine.types import SAMPLE_RATE, WINDOW_FRAMES, Window

Way = Callable[[Features], Features]

FRAMES = (WINDOW_FRAMES, 1500, 1000, 500)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=cores())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    mel = _spoken()
    ways = _ways(arguments.threads)
    print(f"{machine()}, openvino {version('openvino')}, torch {torch.__version__}, {arguments.threads} threads, base")
    for frames in FRAMES:
        cut = mel[:, :, :frames].copy()
        walls: dict[str, list[float]] = {name: [] for name in ways}
        processor: dict[str, list[float]] = {name: [] for name in ways}
        encodings: dict[str, Features] = {}
        for turn in range(arguments.repeats + 1):
            for name, way in ways.items():
                began, before = time.perf_counter(), time.process_time()
                encodings[name] = way(cut)
                # The first turn warms up.
                walls[name] += [time.perf_counter() - began] if turn else []
                processor[name] += [time.process_time() - before] if turn else []
        exact = next(iter(encodings.values()))
        rows = [
            [name, spread(walls[name]), spread(processor[name]), f"{_distance(encodings[name], exact):.2%}"]
            for name in ways
        ]
        print_table(f"{frames} frames", ["", "time", "CPU time", "distance"], rows)


def _spoken() -> Features:
    """(1, 80, 3000)."""
    samples = np.frombuffer(joined(clips(), 30.0).pcm, dtype="<i2")[: 30 * SAMPLE_RATE]
    return features(Window(0, 0.0, len(samples) / SAMPLE_RATE, samples), 80)[None]


def _ways(threads: int) -> dict[str, Way]:
    """openai-whisper's first, with which the others are compared."""
    folder, element = base_folder(), element_type()
    whisper = load(folder, "cpu", Plan("int8", 1, threads))
    return {
        "openai-whisper fp32": _openai(),
        "CTranslate2 int8": lambda mels: np.array(whisper.encode(StorageView.from_array(mels), to_cpu=True)),
        f"OpenVINO int8 and {PRECISIONS[element.get_type_name()]}": Encoder(
            graphs_of(folder / "model.bin", [(0, 0)], element), Streams(1, threads)
        ),
    }


def _openai() -> Way:
    encoder = base_model().encoder
    positions = encoder.positional_embedding

    @torch.inference_mode()
    def encode(mels: Features) -> Features:
        encoder.positional_embedding = positions[: (mels.shape[-1] + 1) // 2]
        encoding: Features = encoder(torch.from_numpy(mels)).numpy()
        return encoding

    return encode


def _distance(encoding: Features, exact: Features) -> float:
    return float(np.linalg.norm(encoding - exact) / np.linalg.norm(exact))


if __name__ == "__main__":
    sleep_between_parallel_work()
    main()

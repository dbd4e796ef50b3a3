"""What timing words costs after the decoder: `python -m benchmarks.word_times [--windows N] [--repeats N]`.

The median filter and the warping of windows of 30 s, of 110 tokens and eight alignment heads each, in turns, with one
thread: openai-whisper's own, those of the torch backend, and those of the backends without torch. CPU time is that of
the process; openai-whisper's first call, which compiles, is left out, as is ours.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from whisper.timing import dtw_cpu
from whisper.timing import median_filter as their_median_filter

from benchmarks.table import machine, print_table, spread
from transcription.engine import warping
from transcription.engine.openvino_backend.alignment import median_filtered
from transcription.engine.torch_backend import warping as compiled_warping
from transcription.engine.torch_backend.alignment import median_filter

TOKENS, POSITIONS, HEADS = 110, 1500, 8

Floats = NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    numba.set_num_threads(1)
    print(f"{machine()}, torch {torch.__version__}, numba {numba.__version__}, {arguments.windows} windows a turn")
    rng = np.random.default_rng(0)
    costs = [_spoken(rng) for _ in range(arguments.windows)]
    weights = rng.normal(size=(HEADS, TOKENS, POSITIONS)).astype(np.float32)
    tensor = torch.from_numpy(weights)
    _compare(
        "Warping",
        {
            "openai-whisper": lambda: [dtw_cpu(cost.astype(np.float64)) for cost in costs],
            "torch backend, numba": lambda: [compiled_warping.arrivals(cost) for cost in costs],
            "without torch, numpy": lambda: [warping.arrivals(cost) for cost in costs],
        },
        arguments,
    )
    _compare(
        "Median filter",
        {
            "openai-whisper": lambda: [their_median_filter(tensor, 7) for _ in costs],
            "torch backend": lambda: [median_filter(tensor) for _ in costs],
            "without torch, numpy": lambda: [median_filtered(weights) for _ in costs],
        },
        arguments,
    )


def _spoken(rng: np.random.Generator) -> Floats:
    """Returns the cost of tokens that are said one after another."""
    cost = rng.normal(size=(TOKENS, POSITIONS)).astype(np.float32)
    each = POSITIONS / TOKENS
    for token, row in enumerate(cost):
        row[round(token * each) : round((token + 1) * each)] -= 3
    return cost


def _compare(title: str, ways: dict[str, Callable[[], object]], arguments: argparse.Namespace) -> None:
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(arguments.repeats + 1):
        for name, way in ways.items():
            began = time.process_time()
            way()
            # The first turn warms up.
            seconds[name] += [time.process_time() - began] if turn else []
    windows = arguments.windows
    rows = [
        [name, spread([1000 * value / windows for value in values], "ms", 2), f"{windows / np.median(values):.0f}"]
        for name, values in seconds.items()
    ]
    print_table(title, ["", "CPU time a window", "windows/s"], rows)


if __name__ == "__main__":
    main()

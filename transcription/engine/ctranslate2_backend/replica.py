"""Loads a `ctranslate2.models.Whisper` with a number of threads and their priority."""

from __future__ import annotations

import json
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ctranslate2

from transcription.engine.cpu_replicas import MOST_WORKERS
from transcription.engine.library_errors import damaged, translated
from transcription.engine.machine import stand_back
from transcription.engine.model_folder import CONFIG, MODEL

OTHERS = (CONFIG, "vocabulary.json")
"""Files that CTranslate2 reads, too, without naming them in its errors. Old conversions have vocabulary.txt instead."""

GPU_WORKERS = 2
"""Calls that decode at once on a GPU: while the host prepares one's next step the other's is computed. They share the
weights, and have a CUDA stream and a workspace each."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How to run a model.

    workers: calls that decode at once. encoders: calls that may encode beside them. urgent: calls beside them with
    urgent works, in the same replica. threads: of each call, on a CPU.
    """

    compute_type: str
    workers: int
    threads: int
    encoders: int = 0
    urgent: int = 0


def plan_for(device: str, cores: int, supported: Collection[str], beside: bool) -> Plan:
    """Returns the plan of a device that supports some compute types.

    beside: whether as many may encode beside those that decode.
    """
    if device != "cpu":
        return Plan("float16" if "float16" in supported else "float32", GPU_WORKERS, 1, encoders=1, urgent=1)
    workers = min(cores, MOST_WORKERS)
    compute_type = "int8" if "int8" in supported else "float32"
    return Plan(compute_type, workers, cores // workers, workers if beside else 0)


def load(folder: Path, device: str, plan: Plan, niceness: int = 0) -> Any:
    """Loads a model and returns its `ctranslate2.models.Whisper`; two calls share no memory.

    niceness: added to that of the model's threads, on Linux only, where each thread has its own niceness and those
    that it starts inherit it. Raises EngineError for a damaged file, OutOfDeviceMemory, DeviceLost.
    """
    for file in (folder / name for name in OTHERS if (folder / name).is_file()):
        with damaged(file):
            json.loads(file.read_text(encoding="utf-8"))
    with (
        damaged(folder / MODEL),
        translated(),
        ThreadPoolExecutor(1, initializer=stand_back, initargs=(niceness,)) as starter,
    ):
        loading = starter.submit(
            ctranslate2.models.Whisper,
            str(folder),
            device=device,
            compute_type=plan.compute_type,
            inter_threads=plan.workers + plan.encoders + plan.urgent,
            intra_threads=plan.threads,
        )
        return loading.result()

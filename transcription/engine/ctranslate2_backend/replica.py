"""Loads a `ctranslate2.models.Whisper` with a number of threads and their priority."""

from __future__ import annotations

import json
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ctranslate2

from transcription.engine.ctranslate2_backend.errors import damaged

FILE = "model.bin"
OTHERS = ("config.json", "vocabulary.json")
"""Files that CTranslate2 reads, too, without naming them in its errors. Old conversions have vocabulary.txt instead."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How to run a model on a CPU.

    workers: calls that decode at once. encoders: calls that may encode beside them. threads: of each call.
    """

    compute_type: str
    workers: int
    threads: int
    encoders: int = 0

    def __str__(self) -> str:
        beside = f"+{self.encoders}" if self.encoders else ""
        return f"{self.compute_type} {self.workers}{beside}x{self.threads}"


def load(folder: Path, device: str, plan: Plan, niceness: int = 0) -> Any:
    """Loads a model and returns its `ctranslate2.models.Whisper`; two calls share no memory.

    niceness: added to that of the model's threads, on Linux only, where each thread has its own niceness and those
    that it starts inherit it. Raises EngineError for a damaged file, OutOfDeviceMemory, DeviceLost.
    """
    for file in (folder / name for name in OTHERS if (folder / name).is_file()):
        with damaged(file):
            json.loads(file.read_text(encoding="utf-8"))
    with damaged(folder / FILE), ThreadPoolExecutor(1, initializer=stand_back, initargs=(niceness,)) as starter:
        loading = starter.submit(
            ctranslate2.models.Whisper,
            str(folder),
            device=device,
            compute_type=plan.compute_type,
            inter_threads=plan.workers + plan.encoders,
            intra_threads=plan.threads,
        )
        return loading.result()


def stand_back(niceness: int) -> None:
    """Adds to the niceness of the calling thread and of the threads that it starts from now on. Linux only."""
    if niceness and sys.platform == "linux":
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + niceness)

"""A device with CTranslate2 on it."""

from __future__ import annotations

import logging
import threading
from functools import partial
from pathlib import Path
from typing import Any

import ctranslate2

from transcription.engine import machine
from transcription.engine.backend import OutOfDeviceMemory
from transcription.engine.ctranslate2_backend import trial
from transcription.engine.ctranslate2_backend.errors import damaged
from transcription.engine.ctranslate2_backend.model import Ctranslate2Model
from transcription.engine.ctranslate2_backend.replica import FILE, Plan, load
from transcription.engine.ctranslate2_backend.vocabulary import FILE as TOKENIZER
from transcription.engine.ctranslate2_backend.vocabulary import Ctranslate2Vocabulary
from transcription.engine.types import EngineError

log = logging.getLogger(__name__)

NICENESS = 10
"""Of the threads that an urgent work overtakes: a tenth is left to them of the cores that it wants."""

URGENT_SHARE = 4
"""A second replica is loaded where the weights would fit so many times."""

WEIGHTS = {"int8": 0.55, "float16": 1.0, "float32": 2.0}
"""Their size in memory for that of their file, which holds float16."""

WORKSPACE_MIB = 90.0
"""What a worker of base takes besides, measured with two windows at once."""


class Ctranslate2Backend:
    """CTranslate2 on a CPU, or on a GPU where torch isn't wanted.

    On a CPU the first model that is opened is tried in a few ways, and the fastest is kept for all.
    Beside each model stands a second replica for urgent works, where memory allows: its threads come
    before the others', so that a short clip need not wait for the windows that are under way.
    """

    name = "ctranslate2"
    library_version = str(ctranslate2.__version__)

    def __init__(self, device: str, threads: int) -> None:
        """threads: cores to use, 0 for all. Raises EngineError where there is no such device.

        `workers`, `urgent_workers` (threads that may call with urgent works at once, besides) and
        `compute_type` are final when a model is open.
        """
        if device != "cpu" and not ctranslate2.get_cuda_device_count():
            raise EngineError("no GPU was found: install NVIDIA's driver, give the container the GPU, or use the CPU")
        self.device = device
        self.urgent_workers = 0
        self._supported = ctranslate2.get_supported_compute_types(device)
        self._cores = threads or machine.cores()
        self._ways = trial.splits(self._cores, bounded=self._cores < machine.cores())
        self._tried = device != "cpu"
        self._opening = threading.Lock()
        self._plan = trial.first_plan(self._ways, self._supported)
        if device != "cpu":
            self._plan = Plan("float16" if "float16" in self._supported else "float32", 1, 1)
        self.workers = self._plan.workers
        self.compute_type = self._plan.compute_type

    def open(self, name: str, path: Path) -> Ctranslate2Model:
        """Load a model from its folder.

        Raises EngineError for a file that is damaged, OutOfDeviceMemory, DeviceLost.
        """
        with self._opening:
            pool = self._pool(path)
            with damaged(path / TOKENIZER):
                vocabulary = Ctranslate2Vocabulary.read(path, pool.is_multilingual)
            return Ctranslate2Model(pool, self._urgent(name, path), vocabulary)

    def memory_mib(self, path: Path) -> float:
        """What a model from this folder takes when it is open, about, a second replica included."""
        weights = _megabytes(path) * WEIGHTS[self.compute_type]
        urgent = weights + WORKSPACE_MIB if self._has_room(path) else 0.0
        return weights + self.workers * WORKSPACE_MIB + urgent

    def free_mib(self) -> float:
        return machine.available_mib() if self.device == "cpu" else float("inf")

    def gpu_memory_mib(self) -> tuple[float, float] | None:
        """Not known here."""
        return None

    def _pool(self, path: Path) -> Any:
        """The replica that does the work; the first one is tried out."""
        niceness = NICENESS if self._has_room(path) else 0
        loader = partial(load, path, self.device, niceness=niceness)
        if self._tried:
            return loader(self._plan)
        self._plan, pool = trial.choose(loader, self._ways, self._supported)
        self._tried = True
        self.workers, self.compute_type = self._plan.workers, self._plan.compute_type
        return pool

    def _urgent(self, name: str, path: Path) -> Any:
        """A replica with every core for one work at a time, or None where memory is short."""
        if not self._has_room(path):
            return None
        try:
            replica = load(path, self.device, Plan(self.compute_type, 1, self._cores))
        except OutOfDeviceMemory:
            log.warning("%s: no memory for a second replica, so short clips wait for the windows under way", name)
            return None
        self.urgent_workers = 1
        return replica

    def _has_room(self, path: Path) -> bool:
        """Whether a second replica may be loaded; on a GPU none is, as it knows no priorities of ours."""
        return self.device == "cpu" and _megabytes(path) * URGENT_SHARE < machine.available_mib()


def _megabytes(path: Path) -> float:
    """Of the weights' file; 0 where there is none."""
    file = path / FILE
    return file.stat().st_size / machine.MIB if file.is_file() else 0.0

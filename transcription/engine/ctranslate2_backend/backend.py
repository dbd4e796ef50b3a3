"""The Backend that opens models with CTranslate2."""

from __future__ import annotations

import threading
from collections.abc import Collection
from pathlib import Path

import ctranslate2

from transcription.engine import machine
from transcription.engine.backend import Backend
from transcription.engine.cpu_replicas import ENCODINGS_MIB, NICENESS, has_room, second_replica, weights_mib
from transcription.engine.ctranslate2_backend.cublas import load_cublas
from transcription.engine.ctranslate2_backend.memory import DeviceMemory, Driver, HostMemory
from transcription.engine.ctranslate2_backend.model import Ctranslate2Model
from transcription.engine.ctranslate2_backend.replica import Plan, load, plan_for
from transcription.engine.gpu_check.card import find_card
from transcription.engine.library_errors import damaged
from transcription.engine.model_folder import TOKENIZER
from transcription.engine.types import EngineError
from transcription.engine.whisper_vocabulary import WhisperVocabulary

WEIGHTS = {"int8": 0.55, "float16": 1.0, "float32": 2.0}
"""The size of the weights in memory by compute type, relative to their file's, which holds float16."""

WORKSPACE_MIB = 90.0
"""What a worker takes besides, measured with base and two windows at once."""


class Ctranslate2Backend(Backend):
    """CTranslate2 on a CPU, or on a GPU without torch, which it needs nothing of.

    Beside each model stands, on a CPU, a second replica for urgent works, where memory allows: its threads come before
    the others', so that a short clip need not wait for the windows that are under way. On a GPU a thread more of the
    one replica is for them.
    """

    name = "ctranslate2"

    def __init__(self, device: str, threads: int) -> None:
        """threads: cores to use, 0 for all. Raises EngineError if there is no such device."""
        if device != "cpu":
            if not ctranslate2.get_cuda_device_count():
                raise EngineError(
                    "no GPU was found: install NVIDIA's driver, give the container the GPU, or use the CPU"
                )
            load_cublas()
        self.device = device
        self.library_version = str(ctranslate2.__version__)
        self._cores = threads or machine.cores()
        self._opening = threading.Lock()
        # Where the machine has more cores, which are not ours, a few threads too many do harm.
        beside = device == "cpu" and self._cores >= machine.cores()
        self._plan = plan_for(device, self._cores, ctranslate2.get_supported_compute_types(device), beside)
        self.workers = self._plan.workers
        self.urgent_workers = self._plan.urgent
        self.encoders = max(1, self._plan.encoders)
        self.compute_type = self._plan.compute_type

    def open(self, name: str, path: Path, beside: Collection[str] = ()) -> Ctranslate2Model:
        with self._opening:
            pool = load(path, self.device, self._plan, NICENESS if self._has_room(path) else 0)
            with damaged(path / TOKENIZER):
                vocabulary = WhisperVocabulary.read(path)
            plan = Plan(self._plan.compute_type, 1, self._cores)
            urgent = second_replica(name, path, lambda: load(path, self.device, plan)) if self.device == "cpu" else None
            if urgent:
                self.urgent_workers = 1
            memory = HostMemory() if self.device == "cpu" else DeviceMemory(Driver())
            return Ctranslate2Model(pool, urgent, vocabulary, memory)

    def memory_mib(self, path: Path) -> float:
        weights = weights_mib(path) * WEIGHTS[self._plan.compute_type]
        urgent = weights + WORKSPACE_MIB if self._has_room(path) else 0.0
        calls = self._plan.workers + self._plan.encoders + self._plan.urgent
        return weights + calls * WORKSPACE_MIB + urgent + ENCODINGS_MIB

    def gpu_memory_mib(self) -> tuple[float, float] | None:
        # As the driver says: CTranslate2 does not report it.
        card = find_card() if self.device != "cpu" else None
        return (card.used_mib, card.total_mib) if card else None

    def _has_room(self, path: Path) -> bool:
        """Returns whether a second replica may be loaded. On a GPU none is: its work has no priorities."""
        return self.device == "cpu" and has_room(path)

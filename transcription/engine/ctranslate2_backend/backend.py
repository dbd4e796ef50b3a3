"""The Backend that opens models with CTranslate2."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import ctranslate2

from transcription.engine import machine
from transcription.engine.backend import OutOfDeviceMemory
from transcription.engine.ctranslate2_backend import encoders, trial
from transcription.engine.ctranslate2_backend.encoders import OwnEncoder, TorchEncoder
from transcription.engine.ctranslate2_backend.errors import damaged
from transcription.engine.ctranslate2_backend.model import Ctranslate2Model, Replica
from transcription.engine.ctranslate2_backend.replica import FILE, Plan, load
from transcription.engine.ctranslate2_backend.vocabulary import FILE as TOKENIZER
from transcription.engine.ctranslate2_backend.vocabulary import Ctranslate2Vocabulary
from transcription.engine.types import EngineError

log = logging.getLogger(__name__)

NICENESS = 10
"""The niceness of ordinary threads beside those for urgent work: in competition they get a tenth of a core's time."""

URGENT_SHARE = 4
"""How many times the weights must fit into the free memory for a second replica to be loaded."""

WEIGHTS = {"int8": 0.55, "float16": 1.0, "float32": 2.0}
"""The size of the weights in memory by compute type, relative to their file's, which holds float16."""

ENCODER_SHARE = 0.42
"""The largest part of a model's file that is its encoder, which torch holds besides in as many bytes."""

ENCODINGS_MIB = 120.0
"""The encodings that are kept for tails, with large-v3; base's take 50 MiB."""

WORKSPACE_MIB = 90.0
"""What a worker takes besides, measured with base and two windows at once."""


class Ctranslate2Backend:
    """CTranslate2 on a CPU, or on a GPU without torch.

    On a CPU the first model that is opened is measured with a few plans, and the fastest is used for all models. If
    memory allows, each model has a second replica for urgent work, whose threads have priority over the others', so
    that a short clip does not wait for the windows that are being decoded.
    """

    name = "ctranslate2"
    library_version = str(ctranslate2.__version__)

    def __init__(self, device: str, threads: int) -> None:
        """threads: cores to use, 0 for all. Raises EngineError if there is no such device.

        `workers` (threads that may decode at once), `encoders`, `urgent_workers` (further threads that may call with
        urgent work at once) and `compute_type` are final once a model is open.
        """
        if device != "cpu" and not ctranslate2.get_cuda_device_count():
            raise EngineError("no GPU was found: install NVIDIA's driver, give the container the GPU, or use the CPU")
        self.device = device
        self.urgent_workers = 0
        self._supported = ctranslate2.get_supported_compute_types(device)
        self._cores = threads or machine.cores()
        self._ways = trial.splits(self._cores)
        # On a machine whose other cores belong to others, more threads than cores slow each other down.
        self._beside = device == "cpu" and self._cores >= machine.cores()
        self._tried = device != "cpu"
        self._opening = threading.Lock()
        self._plan = trial.first_plan(self._ways, self._supported, self._beside)
        if device != "cpu":
            self._plan = Plan("float16" if "float16" in self._supported else "float32", 1, 1)
        self._encodes_with_torch: bool | None = None if device == "cpu" else False
        """None until it is measured."""
        self.workers = self._plan.workers

    @property
    def encoders(self) -> int:
        """Threads that may encode at once: one if torch encodes, which uses all cores for each window."""
        return 1 if self._encodes_with_torch else max(1, self._plan.encoders)

    @property
    def compute_type(self) -> str:
        """The compute type, such as "int8", or "bfloat16+int8" if torch encodes."""
        decoder = self._plan.compute_type
        return f"bfloat16+{decoder}" if self._encodes_with_torch else decoder

    def open(self, name: str, path: Path) -> Ctranslate2Model:
        """Loads a model from its folder. Raises EngineError for a damaged file, OutOfDeviceMemory, DeviceLost."""
        with self._opening:
            pool = self._pool(path)
            with damaged(path / TOKENIZER):
                vocabulary = Ctranslate2Vocabulary.read(path, pool.is_multilingual)
            urgent = self._urgent(name, path)
            torch = self._torch_encoder(path, urgent or pool)
            return Ctranslate2Model(
                Replica(pool, torch(self._niceness(path)) if torch else OwnEncoder(pool)),
                urgent and Replica(urgent, torch(0) if torch else OwnEncoder(urgent)),
                vocabulary,
            )

    def memory_mib(self, path: Path) -> float:
        """Returns about how many MiB an open model from this folder takes, a second replica included."""
        weights = _megabytes(path) * WEIGHTS[self._plan.compute_type]
        urgent = weights + WORKSPACE_MIB if self._has_room(path) else 0.0
        encoder = _megabytes(path) * ENCODER_SHARE if self._may_encode_with_torch(path) else 0.0
        return weights + (self.workers + self._plan.encoders) * WORKSPACE_MIB + urgent + encoder + ENCODINGS_MIB

    def free_mib(self) -> float:
        """Returns the MiB that are available to models; infinity on a GPU, which is not asked."""
        return machine.available_mib() if self.device == "cpu" else float("inf")

    def gpu_memory_mib(self) -> tuple[float, float] | None:
        """Returns None: CTranslate2 does not report it."""
        return None

    def _pool(self, path: Path) -> Any:
        """Loads the replica for ordinary work. The first call measures which plan is the fastest."""
        loader = partial(load, path, self.device, niceness=self._niceness(path))
        if self._tried:
            return loader(self._plan)
        self._plan, pool = trial.choose(loader, self._ways, self._supported, self._beside)
        self._tried = True
        self.workers = self._plan.workers
        return pool

    def _torch_encoder(self, path: Path, whisper: Any) -> Callable[[int], TorchEncoder] | None:
        """Returns a function from niceness to an encoder, all with the same weights; None if CTranslate2 encodes."""
        if not self._may_encode_with_torch(path):
            return None
        try:
            weights = encoders.read_for_torch(path)
        except EngineError as error:
            log.warning("CTranslate2 encodes for %s, as torch cannot read its weights: %s", path.name, error)
            return None
        make = partial(TorchEncoder, weights, self._cores)
        if self._encodes_with_torch is None:
            rival = make(0)
            self._encodes_with_torch = encoders.faster(rival, OwnEncoder(whisper), whisper.n_mels)
        return make if self._encodes_with_torch else None

    def _may_encode_with_torch(self, path: Path) -> bool:
        if self._encodes_with_torch is None:
            return encoders.may_use_torch() and self._has_room(path)
        return self._encodes_with_torch and self._has_room(path)

    def _niceness(self, path: Path) -> int:
        """Returns the niceness of the threads for ordinary work."""
        return NICENESS if self._has_room(path) else 0

    def _urgent(self, name: str, path: Path) -> Any:
        """Loads the replica for urgent work, with all cores for one call at a time; None if memory is short."""
        if not self._has_room(path):
            return None
        try:
            replica = load(path, self.device, Plan(self._plan.compute_type, 1, self._cores))
        except OutOfDeviceMemory:
            log.warning("%s: no memory for a second replica, so short clips wait for the windows under way", name)
            return None
        self.urgent_workers = 1
        return replica

    def _has_room(self, path: Path) -> bool:
        """Returns whether a second replica may be loaded. On a GPU none is: its work has no priorities."""
        return self.device == "cpu" and _megabytes(path) * URGENT_SHARE < machine.available_mib()


def _megabytes(path: Path) -> float:
    """Returns the size of the weights' file in MiB, 0 if there is none."""
    file = path / FILE
    return file.stat().st_size / machine.MIB if file.is_file() else 0.0

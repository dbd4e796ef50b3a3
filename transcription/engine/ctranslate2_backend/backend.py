"""A device with CTranslate2 on it."""

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
"""Of the threads that an urgent work overtakes: a tenth is left to them of the cores that it wants."""

URGENT_SHARE = 4
"""A second replica is loaded where the weights would fit so many times."""

WEIGHTS = {"int8": 0.55, "float16": 1.0, "float32": 2.0}
"""Their size in memory for that of their file, which holds float16."""

ENCODER_SHARE = 0.42
"""Of the weights, at most: what torch holds besides, in as many bytes as the file."""

ENCODINGS_MIB = 120.0
"""Of large-v3, those that are kept for tails; base's take 50."""

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

        `workers`, `encoders`, `urgent_workers` (threads that may call with urgent works at once, besides) and
        `compute_type` are final when a model is open.
        """
        if device != "cpu" and not ctranslate2.get_cuda_device_count():
            raise EngineError("no GPU was found: install NVIDIA's driver, give the container the GPU, or use the CPU")
        self.device = device
        self.urgent_workers = 0
        self._supported = ctranslate2.get_supported_compute_types(device)
        self._cores = threads or machine.cores()
        self._ways = trial.splits(self._cores)
        # Where the machine has more cores, which are not ours, a few threads too many do harm.
        self._beside = device == "cpu" and self._cores >= machine.cores()
        self._tried = device != "cpu"
        self._opening = threading.Lock()
        self._plan = trial.first_plan(self._ways, self._supported, self._beside)
        if device != "cpu":
            self._plan = Plan("float16" if "float16" in self._supported else "float32", 1, 1)
        self._encodes_with_torch: bool | None = None if device == "cpu" else False
        """None until it was tried."""
        self.workers = self._plan.workers

    @property
    def encoders(self) -> int:
        """Threads that may encode at once: one where torch does, which gives each window all cores."""
        return 1 if self._encodes_with_torch else max(1, self._plan.encoders)

    @property
    def compute_type(self) -> str:
        """Such as "int8", or "bfloat16+int8" where torch encodes."""
        decoder = self._plan.compute_type
        return f"bfloat16+{decoder}" if self._encodes_with_torch else decoder

    def open(self, name: str, path: Path) -> Ctranslate2Model:
        """Load a model from its folder.

        Raises EngineError for a file that is damaged, OutOfDeviceMemory, DeviceLost.
        """
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
        """What a model from this folder takes when it is open, about, a second replica included."""
        weights = _megabytes(path) * WEIGHTS[self._plan.compute_type]
        urgent = weights + WORKSPACE_MIB if self._has_room(path) else 0.0
        encoder = _megabytes(path) * ENCODER_SHARE if self._may_encode_with_torch(path) else 0.0
        return weights + (self.workers + self._plan.encoders) * WORKSPACE_MIB + urgent + encoder + ENCODINGS_MIB

    def free_mib(self) -> float:
        return machine.available_mib() if self.device == "cpu" else float("inf")

    def gpu_memory_mib(self) -> tuple[float, float] | None:
        """Not known here."""
        return None

    def _pool(self, path: Path) -> Any:
        """The replica that does the work; the first one is tried out."""
        loader = partial(load, path, self.device, niceness=self._niceness(path))
        if self._tried:
            return loader(self._plan)
        self._plan, pool = trial.choose(loader, self._ways, self._supported, self._beside)
        self._tried = True
        self.workers = self._plan.workers
        return pool

    def _torch_encoder(self, path: Path, whisper: Any) -> Callable[[int], TorchEncoder] | None:
        """Makes encoders of a niceness, all with the same weights; None where CTranslate2's own is to be used."""
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
        """Of the threads that urgent works overtake."""
        return NICENESS if self._has_room(path) else 0

    def _urgent(self, name: str, path: Path) -> Any:
        """A replica with every core for one work at a time, or None where memory is short."""
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
        """Whether a second replica may be loaded; on a GPU none is, as it knows no priorities of ours."""
        return self.device == "cpu" and _megabytes(path) * URGENT_SHARE < machine.available_mib()


def _megabytes(path: Path) -> float:
    """Of the weights' file; 0 where there is none."""
    file = path / FILE
    return file.stat().st_size / machine.MIB if file.is_file() else 0.0

"""Keeps models open, as many as fit, and closes the least recently used one for another."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from transcription.engine.backend import Backend, BatchModel, DeviceLost, OutOfDeviceMemory, ServerAway, StepModel, Work
from transcription.engine.probe import probe_model
from transcription.engine.request_queue import RequestQueue
from transcription.engine.types import EngineError

log = logging.getLogger(__name__)

TENURE_SECONDS = 10.0
"""Seconds after an opening in which windows of open models come first: opening takes seconds."""

OPENING_PATIENCE_SECONDS = 300.0
"""The time limit of an opening: reading gigabytes from a slow disk, after another model's windows are done."""


@dataclass(slots=True, eq=False)
class _Open:
    model: BatchModel | StepModel
    mib: float
    users: int = 0
    used_at: float = 0.0


class Models:
    """Opens models when they are first used. Thread-safe.

    weights: where each model's are; missing: why there are none. limit_mib: what all open models may
    take together, about; 0 for as much as the device gives.
    """

    def __init__(self, backend: Backend, queue: RequestQueue, limit_mib: float = 0.0) -> None:
        self._queue = queue
        self.weights: dict[str, Path] = {}
        self.missing: dict[str, str] = {}
        self._backend = backend
        self._limit_mib = limit_mib
        self._open: dict[str, _Open] = {}
        self._retiring: set[str] = set()
        self._changed = threading.Condition()
        self._opening = threading.Lock()
        self._opened_at = 0.0

    def prefers(self, work: Work) -> bool:
        """Returns whether a window's model is open, or the last opening more than TENURE_SECONDS ago."""
        return work.options.model in self._open or time.monotonic() - self._opened_at > TENURE_SECONDS

    @contextmanager
    def using(self, name: str) -> Iterator[BatchModel | StepModel]:
        """Keeps the model open until the block ends. Raises as `acquire` does."""
        model = self.acquire(name)
        try:
            yield model
        finally:
            self.release(name)

    def acquire(self, name: str, users: int = 1) -> BatchModel | StepModel:
        """Returns the model, which stays open until `release` was called for as many users. Opens it if necessary.

        Raises EngineError where its weights are missing, damaged, or too large, DeviceLost, and ServerAway.
        """
        if (found := self._taken(name, users)) is not None:
            return found
        with self._opening:
            if (found := self._taken(name, users)) is not None:
                return found
            with self._queue.timed(patience=OPENING_PATIENCE_SECONDS):
                opened = self._opened(name, users)
            with self._changed:
                self._open[name] = opened
            self._opened_at = time.monotonic()
            return opened.model

    def release(self, name: str, users: int = 1) -> None:
        with self._changed:
            self._open[name].users -= users
            self._changed.notify_all()

    def _taken(self, name: str, users: int) -> BatchModel | StepModel | None:
        """Adds users to an open model and returns it; None if it is closed. Waits while it is being closed."""
        with self._changed:
            self._changed.wait_for(lambda: name not in self._retiring)
            opened = self._open.get(name)
            if opened is None:
                return None
            opened.users += users
            opened.used_at = time.monotonic()
            return opened.model

    def _opened(self, name: str, users: int) -> _Open:
        path, began = self._path(name), time.monotonic()
        needed = self._needed(name, path)
        while not self._fits(needed) and self._retire_oldest(name):
            pass
        model = self._made(name, path)
        log.info("opened %s in %.1f s", name, time.monotonic() - began)
        return _Open(model, needed, users, time.monotonic())

    def _made(self, name: str, path: Path) -> BatchModel | StepModel:
        """Opens a model, after closing others where the device has no room."""
        while True:
            try:
                return self._probed(name, path)
            except OutOfDeviceMemory as error:
                if not self._retire_oldest(name):
                    raise EngineError(f"the model {name} does not fit into memory: {error}") from error
            except (EngineError, DeviceLost, ServerAway):
                raise
            except Exception as error:
                raise EngineError(f"the model {name} cannot be opened: {error!r}") from error

    def _probed(self, name: str, path: Path) -> BatchModel | StepModel:
        model = self._backend.open(name, path)
        try:
            self._queue.note_probe(probe_model(self._backend, model, name))
        except Exception:
            model.close()
            raise
        return model

    def _needed(self, name: str, path: Path) -> float:
        try:
            return self._backend.memory_mib(path)
        except OSError as error:
            raise EngineError(f"the weights of {name} cannot be read: {error}") from error

    def _fits(self, needed: float) -> bool:
        used = sum(opened.mib for opened in self._open.values())
        return (not self._limit_mib or used + needed <= self._limit_mib) and needed <= self._backend.free_mib()

    def _path(self, name: str) -> Path:
        if name in self.missing:
            raise EngineError(self.missing[name])
        return self.weights[name]

    def _retire_oldest(self, newcomer: str) -> bool:
        """Closes the least recently used model once it has no users. Returns False if none is open."""
        with self._changed:
            if not self._open:
                return False
            name = min(self._open, key=lambda name: (self._open[name].users > 0, self._open[name].used_at))
            retired = self._open[name]
            # Whoever wants it meanwhile waits, or the newcomer might never get its turn.
            self._retiring.add(name)
            self._changed.wait_for(lambda: retired.users == 0)
            del self._open[name]
        log.info("closing %s to make room for %s", name, newcomer)
        retired.model.close()
        with self._changed:
            self._retiring.discard(name)
            self._changed.notify_all()
        return True

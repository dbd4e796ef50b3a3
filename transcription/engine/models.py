"""Keeps models open, as many as fit: closes the least recently used one for another, and what nobody uses."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from transcription.engine import machine
from transcription.engine.backend import Backend, BatchModel, DeviceLost, OutOfDeviceMemory, ServerAway, StepModel, Work
from transcription.engine.probe import probe_model
from transcription.engine.request_queue import RequestQueue
from transcription.engine.types import EngineError, Unload
from transcription.engine.watchdog import patience_for

log = logging.getLogger(__name__)

TENURE_SECONDS = 10.0
"""Seconds after an opening in which windows of open models come first: opening takes seconds."""

OPENING_PATIENCE_SECONDS, FIRST_PATIENCE_SECONDS = 300.0, 900.0
"""The time limit of an opening: reading gigabytes from a slow disk, after another model's windows are done. The first
one has longer, as nobody has read the file before.
"""

ORDER_SECONDS = 600.0
"""For how long operators are told that an order of theirs was not followed."""

LOOKS = 4
"""How often `close_unused` looks within `unload_seconds`."""

LONGEST_PAUSE_SECONDS = 15.0


@dataclass(slots=True, eq=False)
class _Open:
    """squeezed: whether it has less memory than it would take, as others that were in use needed theirs."""

    model: BatchModel | StepModel
    mib: float
    users: int
    squeezed: bool


class Models:
    """Opens models when they are first used. Thread-safe.

    weights: where each model's are; missing: why there are none. limit_mib: what all open models may
    take together, about; 0 for as much as the device gives. unload_seconds: after which a model that nobody used gives
    its memory back, and no longer counts when memory is shared out; 0 for never. kept: a model that stays, whoever
    uses it.
    """

    def __init__(
        self, backend: Backend, queue: RequestQueue, limit_mib: float = 0.0, unload_seconds: float = 0.0, kept: str = ""
    ) -> None:
        self._queue = queue
        self.weights: dict[str, Path] = {}
        self.missing: dict[str, str] = {}
        self._backend = backend
        self._limit_mib = limit_mib
        self._unload_seconds = unload_seconds
        self._kept = kept
        self._open: dict[str, _Open] = {}
        self._used_at: dict[str, float] = {}
        self._retiring: set[str] = set()
        self._problem, self._problem_at = "", 0.0
        self._changed = threading.Condition()
        self._opening = threading.Lock()
        self._opened_at = 0.0

    @property
    def loaded(self) -> tuple[str, ...]:
        """The models that are in memory."""
        return tuple(self._open)

    @property
    def slots(self) -> int:
        """Those of all models that stay in memory, of a backend whose models have slots."""
        with self._changed:
            staying = [opened for name, opened in self._open.items() if name not in self._retiring]
            return sum(cast("StepModel", opened.model).slots for opened in staying)

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
            limit = OPENING_PATIENCE_SECONDS if self._opened_at else FIRST_PATIENCE_SECONDS
            with self._queue.timed(patience=max(limit, patience_for(self._queue.probe_seconds, 1))):
                opened = self._opened(name, users)
            with self._changed:
                self._open[name] = opened
                self._used_at[name] = self._opened_at = time.monotonic()
                self._queue.tally.loads += 1
            return opened.model

    def release(self, name: str, users: int = 1) -> None:
        with self._changed:
            self._open[name].users -= users
            self._used_at[name] = time.monotonic()
            self._changed.notify_all()

    @property
    def problem(self) -> str:
        """Why an order of the last minutes was not followed; "" if none wasn't."""
        return self._problem if time.monotonic() - self._problem_at < ORDER_SECONDS else ""

    def load(self, name: str) -> None:
        """Opens a model ahead of its use."""
        try:
            with self.using(name):
                self._note_order("")
        except (EngineError, DeviceLost, ServerAway) as error:
            self._note_order(f"{name} cannot be loaded: {error}")

    def unload(self, name: str, seconds: float = 60.0) -> None:
        """Closes a model at the first moment at which no window needs it, if there is one within so many seconds.

        Nobody waits for that meanwhile. Whoever asks for the model later has it opened again.
        """
        with self._changed:
            self._changed.wait_for(lambda: name not in self._open or not self._open[name].users, seconds)
        with self._opening:
            if name in self._open:
                self._close(name, "an operator wants its memory", "operator", if_idle=True)
            is_there = name in self._open
            if not is_there:
                # Nor is any memory left to it when others are opened.
                self._used_at.pop(name, None)
        self._note_order(f"{name} is not unloaded while windows need it: pause the engine first" if is_there else "")

    def _note_order(self, problem: str) -> None:
        if problem:
            log.error("%s", problem)
        self._problem, self._problem_at = problem, time.monotonic()

    def close_unused(self) -> None:
        """Waits for a while, and closes what nobody used for `unload_seconds`.

        Opens again what was left short of memory for others that are unused now: it finds more.
        """
        with self._queue.changed:
            pause = min(self._unload_seconds / LOOKS, LONGEST_PAUSE_SECONDS) or None
            self._queue.changed.wait_for(lambda: self._queue.stopping, pause)
        if self._queue.stopping or not self._opening.acquire(blocking=False):
            return
        try:
            for name in [name for name in self._open if not self._is_in_use(name)]:
                self._close(name, "nobody uses it", "unused", if_idle=True)
            grown = [name for name, opened in self._open.items() if opened.squeezed and not self._beside(name)]
            for name in grown:
                self._close(name, "there is more memory for it now", "grown")
        finally:
            self._opening.release()
        for name in grown:
            with suppress(EngineError), self.using(name):
                pass  # where it can't be opened now, who asks for it is told

    def _is_in_use(self, name: str) -> bool:
        """Returns whether a model stays, is used, or was lately, be it open or not."""
        if name == self._kept or not self._unload_seconds or (name in self._open and self._open[name].users):
            return True
        return time.monotonic() - self._used_at[name] < self._unload_seconds

    def _beside(self, newcomer: str) -> list[str]:
        """Returns the other models that are in use, open or not."""
        return [name for name in self._used_at if name != newcomer and self._is_in_use(name)]

    def _taken(self, name: str, users: int) -> BatchModel | StepModel | None:
        """Adds users to an open model and returns it; None if it is closed. Waits while it is being closed."""
        with self._changed:
            self._changed.wait_for(lambda: name not in self._retiring)
            opened = self._open.get(name)
            if opened is None:
                return None
            opened.users += users
            self._used_at[name] = time.monotonic()
            return opened.model

    def _opened(self, name: str, users: int) -> _Open:
        if name in self.missing:
            raise EngineError(self.missing[name])
        path, began = self.weights[name], time.monotonic()
        try:
            needed = self._backend.memory_mib(path)
        except OSError as error:
            raise EngineError(f"the weights of {name} cannot be read: {error}") from error
        while not self._fits(needed) and self._retire_oldest(name):
            pass
        beside = self._beside(name)
        model = self._made(name, path, beside)
        log.info("opened %s in %.1f s", name, time.monotonic() - began)
        squeezed = bool(beside) and not self._backend.workers and cast("StepModel", model).is_short
        return _Open(model, needed, users, squeezed)

    def _made(self, name: str, path: Path, beside: Sequence[str]) -> BatchModel | StepModel:
        """Opens a model, after closing others where the device has no room."""
        while True:
            try:
                return self._probed(name, path, beside)
            except OutOfDeviceMemory as error:
                self._queue.count_shortage()
                if not self._retire_oldest(name):
                    raise EngineError(f"the model {name} does not fit into memory: {error}") from error
            except (EngineError, DeviceLost, ServerAway):
                raise
            except Exception as error:
                raise EngineError(f"the model {name} cannot be opened: {error!r}") from error

    def _probed(self, name: str, path: Path, beside: Sequence[str]) -> BatchModel | StepModel:
        model = self._backend.open(name, path, beside)
        try:
            self._queue.note_probe(probe_model(self._backend, model, name))
        except DeviceLost:
            raise  # closing would fail, too, and hide it
        except Exception:
            model.close()
            raise
        return model

    def _fits(self, needed: float) -> bool:
        used = sum(opened.mib for opened in self._open.values())
        return (not self._limit_mib or used + needed <= self._limit_mib) and needed <= self._backend.free_mib()

    def _retire_oldest(self, newcomer: str) -> bool:
        """Closes the least recently used model once it has no users. Returns False if none is open."""
        with self._changed:
            if not self._open:
                return False
            name = min(self._open, key=lambda name: (self._open[name].users > 0, self._used_at[name]))
        self._close(name, f"to make room for {newcomer}", "room")
        return True

    def _close(self, name: str, reason: str, counts_as: Unload, if_idle: bool = False) -> None:
        """Closes a model once it has no users; with `if_idle` only if it has none now. `_opening` is held."""
        with self._changed:
            if if_idle and self._open[name].users:
                return
            # Whoever wants it meanwhile waits, or the newcomer might never get its turn.
            self._retiring.add(name)
            self._changed.wait_for(lambda: self._open[name].users == 0)
        log.info("closing %s: %s", name, reason)
        self._open[name].model.close()
        machine.give_memory_back()
        with self._changed:
            del self._open[name]
            self._queue.tally.unloads[counts_as] += 1
            self._retiring.discard(name)
            self._changed.notify_all()

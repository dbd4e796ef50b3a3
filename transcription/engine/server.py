"""The engine's process: the main thread serves a Unix socket, other threads run the models."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil

from transcription.engine import machine
from transcription.engine.backend import Backend, DeviceBusy, DeviceLost, ServerAway
from transcription.engine.catalogue import CATALOGUE
from transcription.engine.connection import Connection
from transcription.engine.ct2_file import dimensions_of
from transcription.engine.gpu_check.choice import Footing
from transcription.engine.model_folder import MODEL
from transcription.engine.models import Models
from transcription.engine.remote_backend.backend import RemoteBackend
from transcription.engine.remote_backend.transport import REQUEST_SECONDS, TRIES
from transcription.engine.request_queue import RequestQueue
from transcription.engine.scheduler import Scheduler
from transcription.engine.types import EngineError, EngineStatus
from transcription.engine.version import version_of
from transcription.engine.watchdog import PROBES_PER_WINDOW, watch

log = logging.getLogger(__name__)

LEAST_ROOM = 2
"""Windows that each caller may have unanswered, however many there are: the next one is there when one is done."""

UNKNOWN_MELS = 80
"""Of a model that another server runs, which makes its own spectrogram."""

STOP_SECONDS = 10.0
BROKEN_EXIT = 70
LOADING_EXIT = 1


@dataclass(frozen=True)
class Setup:
    """What an engine runs on.

    find_weights: where a model's are, once they are there. footing: the rung of a GPU's ladder that the backend is on.
    """

    backend: Backend
    find_weights: Callable[[str], Path]
    batch_size: int
    footing: Footing = field(default_factory=Footing)


@dataclass(frozen=True)
class _Running:
    """The models and the threads of an engine that knows what it runs on."""

    setup: Setup
    models: Models
    scheduler: Scheduler

    @property
    def backend(self) -> Backend:
        return self.setup.backend


class Server:
    """Serves the models of these names on a Unix socket until it is told to stop.

    The first is opened at once, the others when they are asked for. set_up: finds out what to run on, which takes
    minutes where a GPU has to be tried; status is answered meanwhile, and windows wait. unload_seconds: after which a
    model that nobody used gives its memory back, 0 for never; the first one only if unloads_first.
    """

    def __init__(
        self,
        names: Sequence[str],
        address: Path,
        set_up: Callable[[], Setup],
        memory_limit_mib: float = 0.0,
        unload_seconds: float = 0.0,
        unloads_first: bool = False,
    ) -> None:
        self.names = tuple(names)
        self.address = address
        self._set_up = set_up
        self._memory_limit_mib = memory_limit_mib
        self._unload_seconds = unload_seconds
        self._kept = "" if unloads_first else names[0]
        self.queue = RequestQueue()
        self.running: _Running | None = None
        self.mels: dict[str, int] = {}
        self.connections: set[Connection] = set()
        self.ready = False
        self.error = ""
        self.began = time.monotonic()

    def run(self) -> int:
        """Serves until SIGTERM or SIGINT and returns the exit code. Raises EngineError if it cannot listen."""
        _refuse_second_engine(self.address)
        asyncio.run(self._serve())
        return 0

    def room_for(self, connection: Connection) -> int:
        """Returns how many windows a caller may have unanswered.

        Together callers have what the scheduler has use for, so that one recording fills all slots where it is alone.
        Each may have an equal part, and what others leave.
        """
        capacity = self.running.scheduler.loop.capacity if self.running else LEAST_ROOM
        counts = [other.unanswered for other in self.connections]
        equal = capacity // max(1, sum(count > 0 for count in counts))
        return max(LEAST_ROOM, equal, connection.unanswered + capacity - sum(counts))

    def status(self) -> EngineStatus:
        """Returns the engine's status, also while a model is loading."""
        queue = self.queue
        status = EngineStatus(
            ready=self.ready,
            models=self.names,
            pid=os.getpid(),
            memory_used_mib=psutil.Process().memory_info().rss / machine.MIB,
            queued_windows=queue.queued(),
            windows_under_way=queue.under_way,
            calls_in_hand=queue.calls_in_hand,
            calls_done=queue.calls_done,
            uptime_seconds=time.monotonic() - self.began,
            error=self.error or queue.problem,
            versions=queue.versions,
            mels=self.mels,
            tally=queue.tally,
        )
        if (running := self.running) is None:
            return status
        backend, models, footing = running.backend, running.models, running.setup.footing
        gpu = backend.gpu_memory_mib()
        return replace(
            status,
            backend=backend.name,
            device=backend.device,
            compute_type=backend.compute_type,
            gpu_memory_used_mib=gpu[0] if gpu else None,
            gpu_memory_total_mib=gpu[1] if gpu else None,
            error=status.error or models.problem or footing.notice,
            rung=footing.rung.name if footing.rung else "",
            loaded=models.loaded,
            slots=0 if backend.workers else models.slots,
            batch_capacity=running.scheduler.loop.batch_capacity,
        )

    def order(self, kind: str, name: object) -> str:
        """Begins to load or to unload a model, and returns "", or why it doesn't."""
        if self.running is None:
            return "the engine is not ready"
        models = self.running.models
        if not self.ready or name not in models.weights:
            return models.missing.get(str(name)) or "the engine is not ready, or has no such model"
        if isinstance(self.running.backend, RemoteBackend):
            return "its models are in another server's memory"
        action = models.load if kind == "load" else models.unload
        threading.Thread(target=action, args=(name,), name=kind, daemon=True).start()
        return ""

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        listener = await self._listen()
        threading.Thread(target=self._load, name="load", daemon=True).start()
        await stop.wait()
        log.info("stopping: finishing the batch in hand")
        listener.close()
        self.address.unlink(missing_ok=True)
        if self.running:
            await asyncio.to_thread(self.running.scheduler.stop, STOP_SECONDS)
        # The last answers were scheduled on this loop before the threads ended: let them out.
        await asyncio.sleep(0.1)
        log.info("stopped")
        logging.shutdown()
        # A batch that outlasts the patience sits in C code: no thread could end it.
        os._exit(0)

    async def _listen(self) -> asyncio.Server:
        """Binds the socket with mode 0600. Raises EngineError if it cannot."""
        before = os.umask(0o177)
        try:
            return await asyncio.start_unix_server(self._accept, path=str(self.address))
        except OSError as error:
            reason = error.strerror or error
            raise EngineError(f"no socket at {self.address}: {reason}; name another place") from error
        finally:
            os.umask(before)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await Connection(self, reader, writer).run()

    def _load(self) -> None:
        """Finds out what to run on, fetches all weights, opens the first model and starts the scheduler."""
        began, first = time.monotonic(), self.names[0]
        try:
            running = self._begin()
            with running.models.using(first):
                pass
            backend, weights = running.backend, running.models.weights
            versions = {name: version_of(name, path, backend) for name, path in weights.items()}
        except (EngineError, DeviceLost, ServerAway, OSError) as error:
            if isinstance(error, DeviceLost) and not isinstance(error, DeviceBusy) and self.running:
                self.running.setup.footing.on_lost(str(error))
            self._die(f"cannot load {first}: {error}", LOADING_EXIT)
        except BaseException as error:
            log.exception("loading failed")
            self._die(f"cannot load {first}: {error!r}", LOADING_EXIT)
        running.scheduler.start(versions)
        self.ready = True
        place = f"{backend.device} ({backend.name}, {backend.compute_type})"
        log.info("ready: %s on %s after %.1f s", ", ".join(self.names), place, time.monotonic() - began)

    def _begin(self) -> _Running:
        """Finds out what to run on, and all weights. Raises EngineError."""
        setup, queue, unload_seconds = self._set_up(), self.queue, self._unload_seconds
        if isinstance(setup.backend, RemoteBackend):
            queue.note_probe((TRIES + 1) * REQUEST_SECONDS / PROBES_PER_WINDOW)
            unload_seconds = 0.0  # it takes no memory
        models = Models(setup.backend, queue, self._memory_limit_mib, unload_seconds, self._kept)
        scheduler = Scheduler(setup.backend, models, queue, setup.batch_size, self._die, setup.footing.on_lost)
        for name in self.names:
            self._find(name, models, setup.find_weights, needed=name == self.names[0])
        self.running = running = _Running(setup, models, scheduler)
        watch(self.queue.overdue, self._give_up)
        return running

    def _find(self, name: str, models: Models, find_weights: Callable[[str], Path], needed: bool) -> None:
        """Finds a model's weights. Only the first model's are required; callers of others are refused."""
        try:
            models.weights[name] = place = find_weights(name)
            if name not in CATALOGUE:
                dimensions = dimensions_of(place / MODEL) if place.is_dir() else None
                self.mels[name] = dimensions.n_mels if dimensions else UNKNOWN_MELS
        except EngineError as error:
            if needed:
                raise
            log.error("%s will not be served: %s", name, error)
            models.missing[name] = self.error = str(error)

    def _give_up(self, reason: str) -> None:
        """Ends the process as its device hangs, which counts as a loss of it."""
        if self.running:
            self.running.setup.footing.on_lost(reason)
        self._die(reason)

    def _die(self, reason: str, code: int = BROKEN_EXIT) -> None:
        """Ends the process at once with an error code. Its supervisor starts another one."""
        self.error = reason
        log.critical("%s", reason)
        logging.shutdown()
        os._exit(code)


def _refuse_second_engine(address: Path) -> None:
    """Raises EngineError if another engine answers at this address."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(address))
        except OSError:
            return
    raise EngineError(f"another engine already listens at {address}")

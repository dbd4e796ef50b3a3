"""One GPU's share of the work: an engine, a few RQ workers, and a herald that tells the database how they do.

The gpuworker itself only forks, waits and signals. It opens no connection and starts no thread, so every child
is a clean copy; its workers are forked after Django and the jobs are loaded, and share that memory.
"""

from __future__ import annotations

import fcntl
import gc
import hashlib
import logging
import mmap
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, NoReturn

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connections

from transcription.engine.client import EngineClient
from transcription.engine.types import EngineStatus, EngineUnavailable
from transcription.options import engines, offered_models
from transcription.queue import lifecycle, progress
from transcription.worker import rq_worker
from transcription.worker.process_supervisor import Supervisor, Ward, become, errand, fork

log = logging.getLogger(__name__)
FINISH_SECONDS = 10.0
HAND_BACK_SECONDS = 6.0
ENGINE_SECONDS = 4.0
PREDECESSOR_SECONDS = 5.0
RETRY_SECONDS = 2.0
LOADING_SECONDS = 0.2
MUTE_SECONDS = 30.0


class AlreadyRunning(Exception):
    """Another gpuworker of this name runs on this machine."""


class Board:
    """What a gpuworker and its herald tell each other: how many workers live, and that the engine is ready."""

    def __init__(self) -> None:
        self._count = mmap.mmap(-1, 1)
        self.ready, self._readiness = os.pipe()

    @property
    def workers_alive(self) -> int:
        return self._count[0]

    @workers_alive.setter
    def workers_alive(self, count: int) -> None:
        self._count[0] = min(count, 255)

    def note_ready_engine(self) -> None:
        """Makes the file descriptor `ready` readable."""
        os.write(self._readiness, b".")


class GpuWorker:
    """Runs until SIGTERM or SIGINT; then lets recordings finish for a while, and hands the rest back."""

    def __init__(self) -> None:
        self.name: str = settings.GPUWORKER_NAME
        self.board = Board()
        self.engine = Ward("The engine", partial(fork, "engine", become_engine))
        self.herald = Ward("The herald", partial(fork, "herald", partial(proclaim, self.name, self.board)))
        self.workers = [self._worker(number) for number in range(settings.WORKERS)]

    def run(self) -> None:
        """Raises AlreadyRunning."""
        with only_one(self.name), Supervisor(log.warning) as supervisor:
            supervisor.start(self.engine)
            rq_worker.warm()
            gc.freeze()
            self._inherit(supervisor)
            supervisor.read(self.board.ready, partial(self._begin, supervisor))
            supervisor.start(self.herald)
            supervisor.run(every=self._count)
            self._stop(supervisor)

    def _worker(self, number: int) -> Ward:
        spawn = partial(fork, f"worker-{number}", partial(rq_worker.serve, number))
        return Ward(
            f"Worker {number}", spawn, bereaved=partial(errand, "bequest", partial(bequeath, self.name, number))
        )

    def _inherit(self, supervisor: Supervisor) -> None:
        """Before our own workers claim anything: what a predecessor of this name left goes back to the queue."""
        while not supervisor.asked_to_stop and not errand("inherit", partial(inherit, self.name)):
            log.warning("The database is not ready; trying again in %g s.", RETRY_SECONDS)
            supervisor.wait(RETRY_SECONDS)

    def _begin(self, supervisor: Supervisor) -> None:
        """Workers start when the engine is ready for the first time: before, they could only fail."""
        os.read(self.board.ready, 1)
        if self.workers[0] not in supervisor.wards:
            supervisor.start(*self.workers)
            self._count()

    def _count(self) -> None:
        self.board.workers_alive = sum(worker.is_running for worker in self.workers)

    def _stop(self, supervisor: Supervisor) -> None:
        supervisor.send(self.workers, signal.SIGTERM)
        if not supervisor.wait_until_gone(self.workers, FINISH_SECONDS, impatient=True):
            supervisor.send(self.workers, signal.SIGUSR1)
            supervisor.wait_until_gone(self.workers, HAND_BACK_SECONDS, impatient=True)
        supervisor.send(self.workers, signal.SIGKILL)
        supervisor.send([self.engine, self.herald], signal.SIGTERM)
        if not supervisor.wait_until_gone([self.engine, self.herald], ENGINE_SECONDS, impatient=True):
            supervisor.send([self.engine, self.herald], signal.SIGKILL)
        errand("farewell", partial(farewell, self.name))


def become_engine() -> NoReturn:
    """The engine reads files of strangers' sound: it is given none of the installation's secrets."""
    become(engine_command(), environment=settings.ENVIRONMENT_WITHOUT_SECRETS())


def engine_command() -> list[str]:
    """How this machine's engine is started."""
    return [
        *(sys.executable, "-m", "transcription.engine", "serve"),
        *("--socket", str(settings.ENGINE_SOCKET)),
        *("--models", ",".join(offered_models.offered_models())),
        *("--weights", str(settings.WHISPER_WEIGHTS)),
        *("--backend", settings.WHISPER_BACKEND),
        *("--device", settings.WHISPER_DEVICE),
        *("--batch-size", str(settings.WHISPER_BATCH_SIZE)),
        *("--threads", str(settings.WHISPER_THREADS)),
        *("--cross-attention", settings.WHISPER_CROSS_ATTENTION),
        *("--memory-limit-mib", str(settings.GPU_MEMORY_LIMIT_MIB)),
        *(part for url in settings.WHISPER_MIRRORS for part in ("--mirror", url)),
    ]


def inherit(name: str) -> None:
    """What a predecessor that crashed was doing goes on at once, and not when its leases expire."""
    return_work(lifecycle.abandon_all_of, f"{name}/")


def farewell(name: str) -> None:
    """Nothing of ours is left running: neither rows nor transcriptions say otherwise."""
    return_work(lifecycle.hand_back_all_of, f"{name}/")
    engines.leave(name)


def bequeath(name: str, number: int) -> None:
    """A worker died, and its child with it: what they were doing goes on elsewhere."""
    return_work(lifecycle.abandon_all_of, f"{name}/{number}.")


def return_work(give: Callable[[str], int], workers: str) -> None:
    """`workers` is the beginning of their names. Raises SystemExit where the database is away."""
    try:
        count = give(workers)
        engines.forget_the_dead()
    except DatabaseError as error:
        log.warning("Unfinished transcriptions could not go back to the queue: %s", str(error).strip())
        raise SystemExit(1) from None
    if count:
        log.info("%d unfinished transcriptions went back to the queue.", count)
    progress.flush()
    connections.close_all()


def proclaim(name: str, board: Board) -> None:
    """The herald's life: asks the engine how it does, and writes it down for the pages."""
    client, told, pulse = EngineClient(str(settings.ENGINE_SOCKET)), False, Pulse()
    while True:
        status, problem = ask(client)
        pulse.take(status)
        if status and status.ready and not told:
            board.note_ready_engine()
            told = True
            time.sleep(LOADING_SECONDS)  # workers are forked in this time, so that the first report counts them
        try:
            engines.report(name, status, board.workers_alive, settings.WORKERS, problem)
        except DatabaseError as error:
            log.warning("The fleet's record could not be written: %s", str(error).strip())
            connections.close_all()
        time.sleep(engines.REPORT_SECONDS if told and board.workers_alive else LOADING_SECONDS)


class Pulse:
    """Ends an engine that answered once and is mute now: frozen, it would never end by itself."""

    def __init__(self) -> None:
        self._pid = 0
        self._heard_at = time.monotonic()

    def take(self, status: EngineStatus | None) -> None:
        if status is not None:
            self._pid, self._heard_at = status.pid, time.monotonic()
        elif self._pid and time.monotonic() - self._heard_at > MUTE_SECONDS:
            log.error("The engine has not answered for %g s; it is ended.", MUTE_SECONDS)
            if _is_sibling(self._pid):
                os.kill(self._pid, signal.SIGKILL)
            self._pid = 0


def _is_sibling(pid: int) -> bool:
    """Whether a process of our own gpuworker has this pid: it may have gone to somebody else."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return int(fields[1]) == os.getppid()


def ask(client: EngineClient) -> tuple[EngineStatus | None, str]:
    """The engine's condition, or why there is none."""
    try:
        return client.status(), ""
    except EngineUnavailable as error:
        return None, str(error)


@contextmanager
def only_one(name: str) -> Iterator[None]:
    """Holds the name on this machine. Children hold it too, so whoever gets it has no predecessor alive.

    Raises AlreadyRunning.
    """
    settings.RUN_DIR.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(name.encode()).hexdigest()[:12]
    with (settings.RUN_DIR / f"gpuworker-{digest}.lock").open("w") as file:
        if not _locked(file):
            raise AlreadyRunning(f"Another gpuworker named {name} runs here. Give this one its own GPUWORKER_NAME.")
        yield


def _locked(file: IO[str]) -> bool:
    deadline = time.monotonic() + PREDECESSOR_SECONDS
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        else:
            return True

"""Runs one GPU's share of the work: an engine, the RQ workers and the live relay that feed it, and a status reporter.

The gpuworker itself only forks, waits and signals. It opens no connection and starts no thread, so every child
is a clean copy; its workers are forked after Django and the jobs are loaded, and share that memory.
"""

from __future__ import annotations

import fcntl
import gc
import hashlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import IO, NoReturn

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connections

from transcription import processes
from transcription.models import Process
from transcription.options import engines, offered_models
from transcription.queue import lifecycle, progress
from transcription.worker import live_relay, rq_worker, status_reporter
from transcription.worker.process_supervisor import ManagedProcess, Supervisor, exec_command, fork, run_once
from transcription.worker.status_reporter import SharedState

log = logging.getLogger(__name__)
FINISH_SECONDS = 10.0
HAND_BACK_SECONDS = 6.0
ENGINE_STOP_SECONDS = 4.0
PREDECESSOR_SECONDS = 5.0
RETRY_SECONDS = 2.0


class AlreadyRunning(Exception):
    """Another gpuworker of this name runs on this machine."""


class GpuWorker:
    """Runs until SIGTERM or SIGINT; then lets recordings finish for a while, and hands back the rest."""

    def __init__(self) -> None:
        self.name: str = settings.GPUWORKER_NAME
        self.state = SharedState()
        self.engine = ManagedProcess("The engine", lambda: fork("engine", partial(exec_engine, self.engine.last_exit)))
        report = partial(status_reporter.report, self.name, self.state)
        self.reporter = ManagedProcess("The status reporter", partial(fork, "status-reporter", report))
        self.live_relay = ManagedProcess("The live relay", partial(fork, "live-relay", live_relay.relay))
        self.workers: list[ManagedProcess] = []

    def run(self) -> None:
        """Raises AlreadyRunning."""
        with hold_name(self.name), Supervisor(log.warning) as supervisor:
            supervisor.start(self.engine)
            rq_worker.preload()
            gc.freeze()
            self._release_predecessors_claims(supervisor)
            supervisor.read(self.state.engine_ready_fd, partial(self._start_workers, supervisor))
            supervisor.start(self.reporter)
            supervisor.run(every=self._count_workers)
            self._stop(supervisor)

    def _worker(self, number: int, count: int) -> ManagedProcess:
        """Builds the process of a worker, whose end releases its children's claims too: they die with it."""
        spawn = partial(fork, f"worker-{number}", partial(rq_worker.serve, number, count))
        release = partial(release_claims, lifecycle.abandon_all_of, f"{self.name}/{number}.")
        return ManagedProcess(f"Worker {number}", spawn, on_exit=partial(run_once, "release-claims", release))

    def _release_predecessors_claims(self, supervisor: Supervisor) -> None:
        """Requeues what a crashed gpuworker of this name was doing, before its leases expire."""
        release = partial(release_claims, lifecycle.abandon_all_of, f"{self.name}/")
        while not supervisor.stop_requests and not run_once("release-claims", release):
            log.warning("The database is not ready; trying again in %g s.", RETRY_SECONDS)
            supervisor.wait(RETRY_SECONDS)

    def _start_workers(self, supervisor: Supervisor) -> None:
        """Starts the workers once the engine is ready for the first time: before, their jobs could only fail."""
        os.read(self.state.engine_ready_fd, 1)
        if not self.workers:
            count = self.state.workers_wanted
            self.workers = [self._worker(number, count) for number in range(count)]
            supervisor.start(self.live_relay, *self.workers)
            self._count_workers()

    def _count_workers(self) -> None:
        self.state.workers_alive = sum(worker.is_running for worker in self.workers)

    def _stop(self, supervisor: Supervisor) -> None:
        """Lets jobs finish, then lets them hand back their claims, then kills the workers; the engine goes last."""
        supervisor.send_signal(self.workers, signal.SIGTERM)
        if not supervisor.wait_until_ended(self.workers, FINISH_SECONDS):
            supervisor.send_signal(self.workers, signal.SIGUSR1)
            supervisor.wait_until_ended(self.workers, HAND_BACK_SECONDS)
        supervisor.send_signal(self.workers, signal.SIGKILL)
        supervisor.stop([self.live_relay, self.engine, self.reporter], ENGINE_STOP_SECONDS)
        run_once("shut-down", partial(shut_down, self.name))


def exec_engine(last_exit: int = 0) -> NoReturn:
    """Runs the engine without the installation's secrets: it reads sound from strangers' files.

    A remote server's key is the exception, where one is asked. last_exit: how the engine before ended.
    """
    remote = settings.WHISPER_BACKEND == "remote" and settings.REMOTE_ENGINE_KEY
    key = {"REMOTE_ENGINE_KEY": settings.REMOTE_ENGINE_KEY} if remote else {}
    exec_command([*engine_command(), "--last-exit", str(last_exit)], settings.ENVIRONMENT_WITHOUT_SECRETS(**key))


def engine_command() -> list[str]:
    """Returns the command line of this machine's engine."""
    return [
        *(sys.executable, "-m", "transcription.engine", "serve"),
        *("--socket", str(settings.ENGINE_SOCKET)),
        *("--models", ",".join(map(str, offered_models.offered()))),
        *("--weights", str(settings.WHISPER_WEIGHTS)),
        *("--backend", settings.WHISPER_BACKEND),
        *("--remote-url", settings.REMOTE_ENGINE_URL),
        *("--device", settings.WHISPER_DEVICE),
        *("--rung", settings.WHISPER_RUNG),
        *("--batch-size", str(settings.WHISPER_BATCH_SIZE)),
        *("--threads", str(settings.WHISPER_THREADS)),
        *("--cross-attention", settings.WHISPER_CROSS_ATTENTION),
        *("--memory-limit-mib", str(settings.GPU_MEMORY_LIMIT_MIB)),
        *("--log-format", settings.LOG_FORMAT),
        *("--unload-seconds", str(settings.WHISPER_UNLOAD_SECONDS)),
        *(["--unload-first"] if settings.WHISPER_UNLOAD_DEFAULT else []),
        *(part for url in settings.WHISPER_MIRRORS for part in ("--mirror", url)),
    ]


def release_claims(release: Callable[[str], int], worker_prefix: str) -> None:
    """Requeues the transcriptions of the workers whose names start with `worker_prefix`, by way of `release`.

    Raises SystemExit where the database is away.
    """
    try:
        count = release(worker_prefix)
        engines.forget_the_dead()
    except DatabaseError as error:
        log.warning("Unfinished transcriptions could not go back to the queue: %s", str(error).strip())
        raise SystemExit(1) from None
    if count:
        log.info("%d unfinished transcriptions went back to the queue.", count)
    progress.flush()
    connections.close_all()


def shut_down(name: str) -> None:
    """Leaves neither claims nor an engine's row in the database."""
    release_claims(lifecycle.hand_back_all_of, f"{name}/")
    engines.leave(name)
    processes.leave(Process.Kind.GPUWORKER, os.getppid())


@contextmanager
def hold_name(name: str) -> Iterator[None]:
    """Locks the name on this machine. Children hold the lock too, so whoever gets it has no predecessor alive.

    Raises AlreadyRunning.
    """
    settings.RUN_DIR.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(name.encode()).hexdigest()[:12]
    with (settings.RUN_DIR / f"gpuworker-{digest}.lock").open("w") as file:
        if not _lock(file):
            raise AlreadyRunning(f"Another gpuworker named {name} runs here. Give this one its own GPUWORKER_NAME.")
        yield


def _lock(file: IO[str]) -> bool:
    deadline = time.monotonic() + PREDECESSOR_SECONDS
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except OSError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)

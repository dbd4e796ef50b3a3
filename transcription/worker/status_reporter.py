"""The process of a gpuworker that writes the engine's status to the database, where pages and health read it."""

from __future__ import annotations

import logging
import math
import mmap
import os
import signal
import time
from pathlib import Path
from typing import Literal, NoReturn

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connections

from transcription import processes
from transcription.engine.client import EngineClient
from transcription.engine.types import EngineStatus, EngineUnavailable
from transcription.models import Process
from transcription.options import engines

log = logging.getLogger(__name__)
STARTING_SECONDS = 0.2
LONGEST_SILENCE_SECONDS, LONGEST_IMPORT_SECONDS = 30.0, 600.0
"""Without an answer of an engine; and of one that has not found out what it runs on, and may still be reading libraries
from a slow disk.
"""

LEAST_WORKERS, MOST_WORKERS = 8, 64
"""Of a gpuworker that is told no number. A recording in exact mode, and a short one, has one window at a time: a worker
for each slot fills them all."""


class SharedState:
    """What a gpuworker and its status reporter tell each other: workers, and that the engine is ready."""

    def __init__(self) -> None:
        self._workers = mmap.mmap(-1, 2)
        self.engine_ready_fd, self._engine_ready_writer = os.pipe()

    @property
    def workers_alive(self) -> int:
        return self._workers[0]

    @workers_alive.setter
    def workers_alive(self, count: int) -> None:
        self._workers[0] = min(count, 255)

    @property
    def workers_wanted(self) -> int:
        """How many workers there are to be: as set, or by the slots of the engine once it is ready."""
        return int(settings.WORKERS) or self._workers[1] or LEAST_WORKERS

    def announce_slots(self, slots: int) -> None:
        self._workers[1] = max(LEAST_WORKERS, min(slots, MOST_WORKERS))

    def announce_ready_engine(self) -> None:
        """Makes the file descriptor `engine_ready_fd` readable."""
        os.write(self._engine_ready_writer, b".")


def report(name: str, state: SharedState) -> NoReturn:
    """Reports the engine of the gpuworker `name` until the process is ended."""
    client, heartbeat, was_ready = EngineClient(str(settings.ENGINE_SOCKET)), Heartbeat(), False
    registration, registered_at = processes.Registration(Process.Kind.GPUWORKER, pid=os.getppid()), -math.inf
    while True:
        status, problem = _query(client)
        heartbeat.record(status)
        if status and status.ready and not was_ready:
            state.announce_slots(status.slots)
            state.announce_ready_engine()
            was_ready = True
            time.sleep(STARTING_SECONDS)  # workers are forked meanwhile, so that the first report counts them
        try:
            restarts = heartbeat.restarts
            has_order = engines.report(name, status, state.workers_alive, state.workers_wanted, problem, restarts)
            if status and has_order and (order := engines.take_order(name)):
                _pass_on(client, *order)
            if time.monotonic() - registered_at >= processes.REPORT_SECONDS:
                registration.report()
                registered_at = time.monotonic()
        except DatabaseError as error:
            log.warning("The engine's status could not be written: %s", str(error).strip())
            connections.close_all()
        time.sleep(engines.REPORT_SECONDS if was_ready and state.workers_alive else STARTING_SECONDS)


class Heartbeat:
    """Kills an engine that has answered before and falls silent: a frozen one would never end by itself.

    restarts: how often another process answered than before.
    """

    def __init__(self) -> None:
        self.restarts = 0
        self._pid = self._last_pid = 0
        self._answered_at, self._patience = time.monotonic(), LONGEST_SILENCE_SECONDS

    def record(self, status: EngineStatus | None) -> None:
        """Takes an answer of the engine, or None where it gave none."""
        if status is not None:
            self.restarts += self._last_pid not in (0, status.pid)
            self._pid = self._last_pid = status.pid
            self._answered_at = time.monotonic()
            self._patience = LONGEST_SILENCE_SECONDS if status.backend else LONGEST_IMPORT_SECONDS
        elif self._pid and time.monotonic() - self._answered_at > self._patience:
            log.error("The engine has not answered for %g s; it is killed.", self._patience)
            if _is_sibling(self._pid):
                os.kill(self._pid, signal.SIGKILL)
            self._pid = 0


def _is_sibling(pid: int) -> bool:
    """Returns whether `pid` is a child of our own gpuworker: a pid may be used again by another process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return int(fields[1]) == os.getppid()


def _pass_on(client: EngineClient, kind: Literal["load", "unload"], model: str) -> None:
    try:
        refusal = client.order(kind, model)
    except EngineUnavailable as error:
        refusal = str(error)
    if refusal:
        log.warning("The engine does not %s %s: %s", kind, model, refusal)


def _query(client: EngineClient) -> tuple[EngineStatus | None, str]:
    """Returns the engine's status, or None and why there is none."""
    try:
        return client.status(), ""
    except EngineUnavailable as error:
        return None, str(error)

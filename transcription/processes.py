"""Processes register themselves: which release they run, since when, and what only they know."""

from __future__ import annotations

import hashlib
import logging
import math
import os
import pkgutil
import shutil
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from importlib.util import find_spec
from typing import Any
from uuid import uuid4

from django.apps import apps
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connections
from django.db.migrations.loader import MigrationLoader
from django.db.models.functions import Now

from transcription.models import Process

log = logging.getLogger(__name__)
REPORT_SECONDS = 15.0
ALIVE = timedelta(seconds=50)
REMEMBERED = timedelta(days=1)
STOP_SECONDS = 2.0
DISK_FREE = "disk_free"
MIGRATIONS = "migrations"


class Registration:
    """The row of this process; `figures` adds what this kind of process knows."""

    def __init__(self, kind: str, figures: Callable[[], dict[str, Any]] = dict, pid: int | None = None) -> None:
        self.id, self.kind, self._figures = uuid4(), kind, figures
        self.pid = os.getpid() if pid is None else pid

    def report(self) -> None:
        """Says that this process runs: one UPDATE, after the first time."""
        figures = self._figures() | {MIGRATIONS: migrations()}
        # A gpuworker's report must not wait for a disk: its engine would be taken for dead.
        if self.kind != Process.Kind.GPUWORKER and (free := least_free_bytes()) < math.inf:
            figures[DISK_FREE] = free
        rows = Process.objects.filter(id=self.id)
        if not rows.update(figures=figures, updated_at=Now()):
            place = {"kind": self.kind, "host": socket.gethostname(), "pid": self.pid}
            Process.objects.create(id=self.id, release=settings.RELEASE, figures=figures, **place)

    def leave(self) -> None:
        Process.objects.filter(id=self.id).delete()

    def keep_reporting(self, stop: threading.Event) -> None:
        """Reports until `stop` is set, whatever the database does, and leaves."""
        while True:
            self._try(self.report)
            if stop.wait(REPORT_SECONDS):
                self._try(self.leave)
                return

    def _try(self, step: Callable[[], None]) -> None:
        try:
            step()
        except DatabaseError as error:
            log.warning("This process could not be registered: %s", str(error).strip())
        except Exception:
            log.exception("This process could not be registered")
        finally:
            connections.close_all()


class Reporter:
    """Reports this process from a thread of its own, as long as it runs."""

    def __init__(self, registration: Registration) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=registration.keep_reporting, args=(self._stop,), name="registration", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Takes this process off the list, where the database answers soon."""
        self._stop.set()
        self._thread.join(STOP_SECONDS)


@dataclass(frozen=True)
class Processes:
    """The processes that reported lately. Those of another release are the sign of an upgrade that is under way."""

    alive: list[Process]

    @property
    def releases(self) -> list[str]:
        return sorted({process.release for process in self.alive})

    @property
    def are_mixed(self) -> bool:
        return len(self.releases) > 1


@cache
def migrations() -> str:
    """Names those that this code has: between two releases they tell one code from another of the same number."""
    found = []
    for app in apps.get_app_configs():
        module = MigrationLoader.migrations_module(app.label)[0]
        if module and (spec := find_spec(module)):
            places = spec.submodule_search_locations
            found += [f"{app.label}.{one.name}" for one in pkgutil.iter_modules(places)]
    return hashlib.sha256(" ".join(sorted(found)).encode()).hexdigest()[:8]


def read() -> Processes:
    return Processes(list(Process.objects.filter(updated_at__gte=Now() - ALIVE)))


def leave(kind: str, pid: int) -> None:
    """Takes a process of this host off the list."""
    Process.objects.filter(kind=kind, host=socket.gethostname(), pid=pid).delete()


def forget_old() -> int:
    """Deletes processes that ended without a word, a day later. Returns how many."""
    return Process.objects.filter(updated_at__lt=Now() - REMEMBERED).delete()[0]


def least_free_bytes() -> float:
    """Returns what is free on the fullest of this host's disks that uploads are written to, of those that answer."""
    free = math.inf
    for folder in (settings.DATA, settings.INCOMING_DIR, settings.UPLOADS_DIR):
        with suppress(OSError):
            free = min(free, shutil.disk_usage(folder).free)
    return free

"""The engines of the installation, as operators watch, pause and resume them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from django.contrib.admin.models import CHANGE, LogEntry
from django.db import transaction

from tenants import database_clock
from tenants.models import User
from transcription.models import Engine, Status, Transcription
from transcription.options import engines


@dataclass(frozen=True)
class EngineNow:
    """An engine with what its workers have in hand. `speed` is in audio seconds a second of its busy time."""

    engine: Engine
    running: int
    uptime: timedelta
    silent: timedelta

    @property
    def busy_share(self) -> float:
        """The share of its uptime, 0.0 to 1.0, in which it decoded."""
        seconds = self.uptime.total_seconds()
        return min(1.0, self.engine.busy_seconds / seconds) if seconds > 0 else 0.0

    @property
    def occupancy(self) -> float | None:
        """The mean share, 0.0 to 1.0, of its batches' places that had a window; None before the first batch."""
        batches, windows = (self.engine.tally.get(name, 0) for name in ("batches", "batch_windows"))
        places = batches * self.engine.batch_capacity
        return min(1.0, windows / places) if places else None

    @property
    def speed(self) -> float | None:
        busy = self.engine.busy_seconds
        return self.engine.audio_seconds_done / busy if busy > 0 else None


@dataclass(frozen=True)
class Fleet:
    at: datetime
    engines: list[EngineNow]


def read() -> Fleet:
    """Reads the engines that reported within a day, by two queries."""
    now = database_clock.now()
    running: dict[str, int] = {}
    for worker in Transcription.objects.filter(status=Status.RUNNING).values_list("worker", flat=True):
        name = worker.partition("/")[0]
        running[name] = running.get(name, 0) + 1
    rows = Engine.objects.filter(updated_at__gte=now - engines.REMEMBERED)
    return Fleet(
        now,
        [EngineNow(row, running.get(row.name, 0), now - row.started_at, now - row.updated_at) for row in rows],
    )


def order(name: str, kind: Literal["load", "unload"], model: str, by: User) -> bool:
    """Has an engine load or unload a model, and notes it in the admin's log. Returns False if that is so already."""
    with transaction.atomic():
        if not engines.order(name, kind, model):
            return False
        done = "Loads" if kind == "load" else "Unloads"
        rows = Engine.objects.filter(name=name)
        LogEntry.objects.log_actions(by.pk, rows, CHANGE, f"{done} {model}.", single_object=True)
        return True


def switch(name: str, pauses: bool, by: User) -> bool:
    """Pauses or resumes an engine, and notes it in the admin's log. Returns False if it was so before."""
    change = engines.pause if pauses else engines.resume
    with transaction.atomic():
        if not change(name):
            return False
        rows = Engine.objects.filter(name=name)
        LogEntry.objects.log_actions(by.pk, rows, CHANGE, "Paused." if pauses else "Resumed.", single_object=True)
        return True

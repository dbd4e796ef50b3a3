"""The figures of the operations page and /metrics, read by a fixed number of queries."""

from __future__ import annotations

import statistics
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Generic, TypeVar

from django.db.models import Count, DurationField, ExpressionWrapper, F, Min, QuerySet, Sum

from tenants import database_clock, scope
from tenants.models import AccountCheck, Backup
from transcription import processes, redis
from transcription.maintenance import reconciliation
from transcription.models import Engine, Lane, Status, Transcription
from transcription.options import engines
from transcription.processes import Processes

Found = TypeVar("Found")
HOUR = timedelta(hours=1)
DAY = timedelta(hours=24)
SAMPLE = 5000
DAY_SECONDS = 60
BARS = 30
RECENT_FAILURES = 10
SLOWEST = 10
EMPTY_TOTALS: dict[str, Any] = {"count": 0, "seconds": 0.0, "saved": 0.0, "oldest": None}


@dataclass(frozen=True)
class LaneLoad:
    """The waiting and running transcriptions of a lane, and their remaining audio seconds."""

    lane: Lane
    waiting: int = 0
    waiting_seconds: float = 0.0
    running: int = 0
    running_seconds: float = 0.0
    oldest: datetime | None = None

    @property
    def name(self) -> str:
        return self.lane.key


@dataclass(frozen=True)
class Quantiles:
    """Quantiles in seconds; None without measurements."""

    p50: float | None
    p95: float | None


@dataclass(frozen=True)
class CompletedTranscription:
    """One completed transcription."""

    created_at: datetime
    started_at: datetime
    finished_at: datetime
    audio_seconds: float

    @property
    def waited(self) -> float:
        return max(0.0, (self.started_at - self.created_at).total_seconds())

    @property
    def processing(self) -> float:
        return max(0.0, (self.finished_at - self.started_at).total_seconds())


@dataclass(frozen=True)
class Period:
    """The transcriptions completed in the last hour or day."""

    span: timedelta
    done: Sequence[CompletedTranscription]

    @cached_property
    def waited(self) -> Quantiles:
        return quantiles(transcription.waited for transcription in self.done)

    @cached_property
    def processing(self) -> Quantiles:
        return quantiles(transcription.processing for transcription in self.done)

    @cached_property
    def audio_seconds(self) -> float:
        return sum(transcription.audio_seconds for transcription in self.done)

    @property
    def throughput(self) -> float:
        """Audio seconds finished per second of this period."""
        return self.audio_seconds / self.span.total_seconds()


@dataclass(frozen=True)
class Load:
    """What the installation has to do at one moment, and what it does it with. `throughput` is that of an hour."""

    at: datetime
    engines: list[Engine]
    lanes: list[LaneLoad]
    redis_ms: float | None
    accounts: AccountCheck | None
    throughput: float

    @property
    def waiting(self) -> int:
        return sum(lane.waiting for lane in self.lanes)

    @property
    def running(self) -> int:
        return sum(lane.running for lane in self.lanes)

    @property
    def oldest_wait(self) -> float:
        """The age in seconds of the oldest waiting transcription; 0 if none waits."""
        waiting = [lane.oldest for lane in self.lanes if lane.oldest]
        return (self.at - min(waiting)).total_seconds() if waiting else 0.0

    @property
    def workers(self) -> int:
        return sum(engine.workers_alive for engine in self.engines if engine.is_alive)

    @property
    def speed(self) -> float | None:
        """Audio seconds a second of the busy time of the engines that run, since their starts; None before any."""
        running = [engine for engine in self.engines if engine.is_alive]
        busy = sum(engine.busy_seconds for engine in running)
        return sum(engine.audio_seconds_done for engine in running) / busy if busy > 0 else None

    @property
    def ready_engines(self) -> int:
        return sum(engine.ready and engine.is_alive for engine in self.engines)

    @property
    def gpu_memory(self) -> dict[str, float] | None:
        """What is in use of all GPUs' memory, in MiB and percent; None without a GPU."""
        engines = [engine for engine in self.engines if engine.is_alive and engine.gpu_memory_total_mib]
        total = sum(engine.gpu_memory_total_mib or 0.0 for engine in engines)
        used = sum(engine.gpu_memory_used_mib or 0.0 for engine in engines)
        return {"used": used, "total": total, "percent": 100 * used / total} if total else None

    @property
    def accounts_age(self) -> timedelta | None:
        """The time since the last finished account check; None before the first one."""
        return self.at - self.accounts.finished_at if self.accounts and self.accounts.finished_at else None


@dataclass(frozen=True)
class Figures(Load):
    """The same with what the operations page shows besides. Those of a day are up to DAY_SECONDS old."""

    hour: Period
    day: Period
    failed_day: int
    failures: list[Transcription]
    slowest: list[Transcription]
    backup: Backup | None
    processes: Processes

    @property
    def bars(self) -> list[float]:
        """Audio seconds finished in each interval of the last hour, oldest first."""
        interval = HOUR / BARS
        totals = [0.0] * BARS
        for transcription in self.hour.done:
            age = int((self.at - transcription.finished_at) / interval)
            totals[BARS - 1 - min(max(age, 0), BARS - 1)] += transcription.audio_seconds
        return totals


def load() -> Load:
    """Reads the load by six queries and a ping of Redis."""
    now = database_clock.now()
    with scope.across_tenants("operators watch the whole installation"):
        done = _done_since(now - HOUR).aggregate(seconds=Sum("audio_seconds"))["seconds"] or 0.0
        return Load(**_load(now), throughput=done / HOUR.total_seconds())


def _load(now: datetime) -> dict[str, Any]:
    return {
        "at": now,
        "engines": list(Engine.objects.filter(updated_at__gte=now - engines.REMEMBERED)),
        "lanes": lanes(),
        "redis_ms": redis.ping(),
        "accounts": reconciliation.latest(),
    }


def read() -> Figures:
    """Reads the figures by eleven queries, twelve where those of a day are old, and a ping of Redis."""
    now = database_clock.now()
    with scope.across_tenants("operators watch the whole installation"):
        hour = Period(HOUR, _sample(_done_since(now - HOUR)))
        return Figures(
            **_load(now),
            throughput=hour.throughput,
            hour=hour,
            day=day_figures.read(now),
            failed_day=_failed().filter(finished_at__gte=now - DAY).count(),
            failures=list(_failed().select_related("recording", "tenant").order_by("-finished_at")[:RECENT_FAILURES]),
            slowest=list(_slowest(now - HOUR)),
            backup=Backup.objects.first(),
            processes=processes.read(),
        )


def quantiles(values: Iterable[float]) -> Quantiles:
    numbers = sorted(values)
    if not numbers:
        return Quantiles(None, None)
    if len(numbers) == 1:
        return Quantiles(numbers[0], numbers[0])
    cuts = statistics.quantiles(numbers, n=20, method="inclusive")
    return Quantiles(p50=cuts[9], p95=cuts[18])


class Remembered(Generic[Found]):
    """Figures of many rows that hardly change, which this process reads every DAY_SECONDS."""

    def __init__(self, look: Callable[[datetime], Found]) -> None:
        self._look = look
        self._found: tuple[datetime, Found] | None = None
        self._lock = threading.Lock()

    def read(self, now: datetime) -> Found:
        """Reads them, unless somebody has just done. Call across tenants."""
        with self._lock:
            if self._found is None or not timedelta(0) <= now - self._found[0] < timedelta(seconds=DAY_SECONDS):
                self._found = now, self._look(now)
            return self._found[1]

    def forget(self) -> None:
        self._found = None


day_figures = Remembered(lambda now: Period(DAY, _sample(_done_since(now - DAY))))


def _done_since(begin: datetime) -> QuerySet[Transcription]:
    return Transcription.objects.filter(status=Status.COMPLETED, finished_at__gte=begin, is_reused=False)


def _sample(rows: QuerySet[Transcription]) -> list[CompletedTranscription]:
    rows = rows.order_by("-finished_at")
    values = rows.values_list("created_at", "started_at", "finished_at", "audio_seconds")[:SAMPLE]
    return [
        CompletedTranscription(created, started or created, finished, seconds)
        for created, started, finished, seconds in values
        if finished is not None
    ]


def _slowest(begin: datetime) -> QuerySet[Transcription]:
    """Selects those completed since `begin` that took longest, with how long as `took`."""
    rows = _done_since(begin)
    took = ExpressionWrapper(F("finished_at") - F("created_at"), DurationField())
    rows = rows.annotate(took=took).order_by("-took").select_related("tenant").select_related("recording")
    return rows.only("id", "created_at", "finished_at", "lane", "tenant__name", "recording__name", "audio_seconds")[
        :SLOWEST
    ]


def lanes() -> list[LaneLoad]:
    """Reads the load of each lane by two queries."""
    found: dict[tuple[int, str], dict[str, Any]] = {}
    for status in (Status.QUEUED, Status.RUNNING):  # each has an index of its own
        rows = Transcription.objects.filter(status=status).order_by().values("lane")
        totals = rows.annotate(
            count=Count("id"), seconds=Sum("audio_seconds"), saved=Sum("saved_seconds"), oldest=Min("created_at")
        )
        found |= {(row["lane"], status.value): dict(row) for row in totals}
    return [
        _lane(lane, found.get((lane, Status.QUEUED), EMPTY_TOTALS), found.get((lane, Status.RUNNING), EMPTY_TOTALS))
        for lane in Lane
    ]


def _lane(lane: Lane, waiting: dict[str, Any], running: dict[str, Any]) -> LaneLoad:
    return LaneLoad(
        lane=lane,
        waiting=waiting["count"],
        waiting_seconds=max(0.0, waiting["seconds"] - waiting["saved"]),
        running=running["count"],
        running_seconds=max(0.0, running["seconds"] - running["saved"]),
        oldest=waiting["oldest"],
    )


def _failed() -> QuerySet[Transcription]:
    return Transcription.objects.filter(status=Status.FAILED)

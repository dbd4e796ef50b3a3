"""The values that the rules look at, by some short queries."""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Min

from tenants import announcements, scope
from tenants.models import AccountCheck, Backup
from transcription import processes, redis
from transcription.alerts.models import Evaluation
from transcription.alerts.rules import RULES
from transcription.models import Engine, Process, Status, Transcription
from transcription.options import engines
from transcription.webhooks import deliveries, endpoints

log = logging.getLogger(__name__)
FAILED_LATELY = timedelta(minutes=15)
LATE = "late"
"""A sweeper's figures: by how many seconds each of its rounds is late."""
ANSWERED, FAILED, ANSWER_SECONDS, LIVE_SECONDS = "answered", "failed", "answer_seconds", "live_seconds"
"""A web process's figures of the last minutes: requests, those that it failed, and histograms by upper bound."""
LEAST_ANSWERS, LEAST_FAILURES = 100, 5
"""With fewer answers, or failures, in five minutes, a share of them says nothing."""


@dataclass(frozen=True)
class Reading:
    """`subject` is empty where a rule is of the whole installation."""

    name: str
    value: float | None
    subject: str = ""


@dataclass(frozen=True)
class Measured:
    """What could be read. Without `is_complete`, only what was read as good is known to be clear."""

    broken: Sequence[Reading]
    good: Sequence[Reading]
    is_complete: bool

    def is_clear(self, name: str, subject: str) -> bool:
        return self.is_complete or any((one.name, one.subject) == (name, subject) for one in self.good)


def read(now: datetime, last: Evaluation) -> Measured:
    """Reads each source by itself, so that one that fails hides none of the others."""
    alive = list(Process.objects.filter(updated_at__gte=now - processes.ALIVE))
    webs = [process for process in alive if process.kind == Process.Kind.WEB]
    sources: tuple[Callable[[], Iterable[Reading]], ...] = (
        lambda: _engines(now),
        lambda: _work(now),
        lambda: _webs(webs, last.expects_web),
        lambda: _sweepers(alive),
        lambda: _disks(webs),
        _webhooks,
        lambda: _nightly(now),
        lambda: [Reading("RedisDown", float(redis.ping() is not None))],
    )
    broken: list[Reading] = []
    good: list[Reading] = []
    is_complete = True
    with scope.across_tenants("operators watch the whole installation"):
        for source in sources:
            try:
                for one in source():
                    (broken if RULES[one.name].is_broken_by(one.value) else good).append(one)
            except Exception:
                log.exception("Some alerts could not be evaluated")
                is_complete = False
    age = 0.0 if is_complete else (now - last.complete_at).total_seconds()
    one = Reading("AlertsUnevaluated", age)
    (broken if RULES[one.name].is_broken_by(age) else good).append(one)
    return Measured(broken, good, is_complete)


def _engines(now: datetime) -> Iterator[Reading]:
    rows = list(Engine.objects.filter(updated_at__gte=now - engines.REMEMBERED))
    yield Reading("NoEngine", sum(row.is_alive for row in rows))
    for row in rows:
        is_ready = row.is_alive and row.ready
        yield Reading("EngineNotReady", float(is_ready), row.name)
        if is_ready:
            yield Reading("WorkersMissing", row.workers_alive, row.name)
        if row.is_alive and row.gpu_memory_total_mib and row.gpu_memory_used_mib is not None:
            yield Reading("GpuMemoryHigh", row.gpu_memory_used_mib / row.gpu_memory_total_mib, row.name)


def _work(now: datetime) -> Iterator[Reading]:
    queued = Transcription.objects.filter(status=Status.QUEUED).order_by()
    if oldest := queued.aggregate(oldest=Min("created_at"))["oldest"]:
        yield Reading("QueueOld", (now - oldest).total_seconds())
    failed = Transcription.objects.filter(status=Status.FAILED, finished_at__gte=now - FAILED_LATELY)
    yield Reading("ManyFailures", failed.count())


def _webs(alive: Sequence[Process], are_expected: bool) -> Iterator[Reading]:
    if are_expected:
        yield Reading("PortalDown", len(alive))
    answered, failed = (sum(process.figures.get(name, 0) for process in alive) for name in (ANSWERED, FAILED))
    if failed >= LEAST_FAILURES and announcements.maintenance() is None:
        yield Reading("RequestsFail", failed / answered)
    watched = (("SlowResponses", ANSWER_SECONDS, 0.95, LEAST_ANSWERS), ("LiveTextBehind", LIVE_SECONDS, 0.5, 1))
    for name, figure, share, least in watched:
        counts: Counter[str] = Counter()
        for process in alive:
            counts.update(process.figures.get(figure, {}))
        seconds = quantile(counts, share)
        if seconds is not None and counts.get("+Inf", 0) >= least:
            yield Reading(name, seconds)


def quantile(counts: Mapping[str, float], share: float) -> float | None:
    """Returns it as Prometheus' histogram_quantile does; None without any. `counts` are cumulative, by upper bound."""
    bounds = sorted((float(bound), count) for bound, count in counts.items())
    if not bounds or not bounds[-1][1]:
        return None
    rank = share * bounds[-1][1]
    place = bisect_left([count for _bound, count in bounds], rank)
    low, below = bounds[place - 1] if place else (0.0, 0)
    high, upto = bounds[place]
    return low if place == len(bounds) - 1 else low + (high - low) * (rank - below) / (upto - below)


def _sweepers(alive: Sequence[Process]) -> Iterator[Reading]:
    for name, late in lateness(alive).items():
        yield Reading("SweeperBehind", late, name)


def lateness(alive: Sequence[Process]) -> dict[str, float]:
    """Returns by how many seconds each round of the sweepers is late. Of several sweepers the best counts."""
    late: dict[str, float] = {}
    for process in alive:
        for name, seconds in process.figures.get(LATE, {}).items():
            late[name] = min(seconds, late.get(name, seconds))
    return late


def sweepers_late(now: datetime) -> float:
    """Returns by how much the latest round is late, for the metrics."""
    rows = Process.objects.filter(kind=Process.Kind.SWEEPER, updated_at__gte=now - processes.ALIVE)
    return max(lateness(list(rows)).values(), default=0.0)


def _disks(alive: Sequence[Process]) -> Iterator[Reading]:
    free: dict[str, float] = {}
    for process in alive:
        if (found := process.figures.get(processes.DISK_FREE)) is not None:
            free[process.host] = min(found, free.get(process.host, found))
    for host, found in free.items():
        yield Reading("DiskNearlyFull", found, host)


def _webhooks() -> Iterator[Reading]:
    yield Reading("WebhooksLate", deliveries.seconds_late())
    yield Reading("WebhooksFailing", endpoints.troubled()[1])
    yield Reading("WebhookCertificate", endpoints.untrusted())


def _nightly(now: datetime) -> Iterator[Reading]:
    check = AccountCheck.objects.filter(finished_at__isnull=False).first()
    if check is None or check.finished_at is None:
        yield Reading("AccountsUnchecked", None)
    else:
        yield Reading("AccountsDisagree", len(check.discrepancies))
        yield Reading("AccountsUnchecked", (now - check.finished_at).total_seconds())
    if last := Backup.objects.first():
        yield Reading("BackupOld", (now - last.finished_at).total_seconds())

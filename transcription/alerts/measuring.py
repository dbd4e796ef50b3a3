"""The values that the rules look at, by some short queries."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Min

from tenants import scope
from tenants.models import AccountCheck, Backup
from transcription import processes, redis
from transcription.models import Engine, Process, Status, Transcription
from transcription.options import engines
from transcription.webhooks import deliveries, endpoints

FAILED_LATELY = timedelta(minutes=15)
ROUNDS = "rounds"
"""A sweeper's figures: when it finished each round, in Unix time, with the round's pause."""
ANSWERED, FAILED, ANSWER_SECONDS, LIVE_SECONDS = "answered", "failed", "answer_seconds", "live_seconds"
"""A web process's figures of the last minutes: requests, those that it failed, and histograms by upper bound."""
LATE_GRACE = 60.0


@dataclass(frozen=True)
class Reading:
    """`subject` is empty where a rule is of the whole installation."""

    name: str
    value: float | None
    subject: str = ""


def read(now: datetime) -> list[Reading]:
    known = list(Process.objects.filter(updated_at__gte=now - processes.REMEMBERED))
    alive = [process for process in known if process.updated_at >= now - processes.ALIVE]
    with scope.across_tenants("operators watch the whole installation"):
        return [
            *_engines(now),
            *_work(now),
            *_webs([process for process in known if process.kind == Process.Kind.WEB], now),
            *_sweepers([process for process in alive if process.kind == Process.Kind.SWEEPER], now),
            *_disks(alive),
            *_webhooks(),
            *_nightly(now),
            Reading("RedisDown", float(redis.ping() is not None)),
        ]


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


def _webs(known: Sequence[Process], now: datetime) -> Iterator[Reading]:
    alive = [process for process in known if process.updated_at >= now - processes.ALIVE]
    if known:
        yield Reading("PortalDown", len(alive))
    answered, failed = (sum(process.figures.get(name, 0) for process in alive) for name in (ANSWERED, FAILED))
    if answered:
        yield Reading("RequestsFail", failed / answered)
    for name, figure, share in (("SlowResponses", ANSWER_SECONDS, 0.95), ("LiveTextBehind", LIVE_SECONDS, 0.5)):
        counts: Counter[str] = Counter()
        for process in alive:
            counts.update(process.figures.get(figure, {}))
        if (seconds := quantile(counts, share)) is not None:
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


def _sweepers(alive: Sequence[Process], now: datetime) -> Iterator[Reading]:
    for name, late in lateness(alive, now).items():
        yield Reading("SweeperBehind", late, name)


def lateness(sweepers: Sequence[Process], now: datetime) -> dict[str, float]:
    """Returns by how many seconds each round is late: it may take as long as its pause, and a minute, on top of that.

    Of several sweepers the one counts that finished last.
    """
    late: dict[str, float] = {}
    for sweeper in sweepers:
        for name, (finished, pause) in sweeper.figures.get(ROUNDS, {}).items():
            seconds = max(0.0, now.timestamp() - finished - 2 * pause - LATE_GRACE)
            late[name] = min(seconds, late.get(name, seconds))
    return late


def sweepers_late(now: datetime) -> float:
    """Returns by how much the latest round is late, for the metrics."""
    rows = Process.objects.filter(kind=Process.Kind.SWEEPER, updated_at__gte=now - processes.ALIVE)
    return max(lateness(list(rows), now).values(), default=0.0)


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

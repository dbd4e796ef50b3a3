"""Estimates the position of a waiting transcription, and when its text will be there.

The fair order says how many audio seconds are served before it, and how far other tenants who come later may get ahead
of it. The recent past says how fast the work goes, and how much arrives.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID

from django.core.cache import cache
from django.db.models import Count, F, Q, Sum
from django.db.models.functions import Now

from tenants import scope
from transcription.models import Lane, Status, TenantSchedule, Transcription
from transcription.options import engines
from transcription.queue import fairness
from transcription.queue.fairness import COST, Waiting

SAMPLE = 40
SAMPLE_AGE = timedelta(hours=24)
HIGH_QUANTILE = 0.9
SNAPSHOT_SECONDS = 2
SNAPSHOT_KEY = "transcription.eta.snapshot"
ARRIVALS_AGE = timedelta(hours=1)
ARRIVALS_SECONDS = 60
ARRIVALS_KEY = "transcription.eta.arrivals"
ROUNDS = 6
Span = tuple[datetime, datetime, float]


@dataclass(frozen=True)
class QueueEstimate:
    """`position` counts from 1. `eta_seconds` is the time until the text is there, None while no speed was measured."""

    position: int
    eta_seconds: float | None


@dataclass(frozen=True)
class Speed:
    """Audio seconds done in a second: `total` by everything at the busiest, `single` for one recording at best."""

    total: float
    single: float

    def of_each(self, count: int) -> float:
        """Returns the speed of one recording while `count` are worked on."""
        return min(self.single, self.total / max(1, count))

    def of_all(self, workers: int) -> float:
        return min(self.total, self.single * workers)


@dataclass(frozen=True)
class TenantArrivals:
    """How much work a tenant submitted lately: `rate` in audio seconds a second."""

    tenant_id: UUID
    virtual_time: float
    share: int
    rate: float


@dataclass(frozen=True)
class QueueSnapshot:
    """What all estimates have in common. Seconds are audio seconds still to be done."""

    backlogs: list[Waiting]
    running: dict[UUID, tuple[int, float]]
    system_time: float
    workers: int
    speed: Speed | None
    arrivals: list[TenantArrivals]

    @property
    def running_count(self) -> int:
        return sum(count for count, _seconds in self.running.values())

    @property
    def total_count(self) -> int:
        return self.running_count + sum(backlog.count for backlog in self.backlogs)

    @property
    def running_seconds(self) -> float:
        return sum(seconds for _count, seconds in self.running.values())


@dataclass(frozen=True)
class WorkAhead:
    """How many transcriptions are served before one, and their audio seconds."""

    count: float
    seconds: float


def place_in_queue(row: Transcription) -> QueueEstimate | None:
    """Returns the estimate for a queued transcription; None for any other."""
    return estimate(row) if row.status == Status.QUEUED else None


def estimate(row: Transcription) -> QueueEstimate:
    """Estimates for a queued transcription, among those of all tenants."""
    with scope.across_tenants("a queue is shared"):
        snapshot = _snapshot()
        own = _own_ahead(row)
        start = _virtual_start(row, own, snapshot)
        others = _others_ahead(row, start, snapshot)
        position = 1 + round(own.count + others.count)
        if snapshot.speed is None or row.tenant.quota.concurrent == 0:
            return QueueEstimate(position, None)
        wait = max(_wait_for_worker(row, start, own, others, snapshot), _wait_for_quota(row, own, snapshot))
        running = min(_workers_of(row.lane, snapshot.workers), snapshot.total_count)
        return QueueEstimate(position, wait + fairness.left_seconds(row) / snapshot.speed.of_each(running))


def measured_speed() -> Speed | None:
    """Measures the latest finished transcriptions and the running ones. Returns None before the first."""
    with scope.across_tenants("the speed is everybody's"):
        recent = Transcription.objects.filter(
            status=Status.COMPLETED, is_reused=False, finished_at__gte=Now() - SAMPLE_AGE
        ).order_by("-finished_at")
        rows = list(recent.values_list("started_at", "finished_at", "audio_seconds")[:SAMPLE])
        running = Transcription.objects.filter(status=Status.RUNNING, fence=1, saved_seconds__gt=0)
        rows += list(running.values_list("started_at", Now(), "saved_seconds"))
    spans = [(start, end, seconds) for start, end, seconds in rows if start and end and end > start and seconds]
    if not spans:
        return None
    speeds = [seconds / (end - start).total_seconds() for start, end, seconds in spans]
    return Speed(total=_busiest(spans, speeds), single=_high([(speed, 1.0) for speed in speeds]))


def _snapshot() -> QueueSnapshot:
    """Returns a cached snapshot: every waiting page asks for one every few seconds."""
    found = cache.get(SNAPSHOT_KEY)
    if not isinstance(found, QueueSnapshot):
        found = QueueSnapshot(
            backlogs=fairness.everybody_waiting(),
            running=_running(),
            system_time=fairness.system_time(),
            workers=max(1, sum(engine.workers_alive for engine in engines.alive())),
            speed=measured_speed(),
            arrivals=cache.get_or_set(ARRIVALS_KEY, _arrivals, ARRIVALS_SECONDS) or [],
        )
        cache.set(SNAPSHOT_KEY, found, SNAPSHOT_SECONDS)
    return found


def _arrivals() -> list[TenantArrivals]:
    recent = Transcription.objects.filter(created_at__gte=Now() - ARRIVALS_AGE, is_reused=False).order_by()
    rows = recent.values("tenant_id", "tenant__schedule__virtual_time", "tenant__quota__share")
    return [
        TenantArrivals(
            row["tenant_id"],
            row["tenant__schedule__virtual_time"] or 0.0,
            row["tenant__quota__share"] or 1,
            row["seconds"] / ARRIVALS_AGE.total_seconds(),
        )
        for row in rows.annotate(seconds=Sum("audio_seconds"))
    ]


def _running() -> dict[UUID, tuple[int, float]]:
    """Returns the number of running transcriptions and their audio seconds to be done, by tenant."""
    rows = Transcription.objects.filter(status=Status.RUNNING).order_by().values("tenant_id")
    found = rows.annotate(n=Count("id"), seconds=Sum(F("audio_seconds") - F("saved_seconds")))
    return {row["tenant_id"]: (row["n"], max(0.0, row["seconds"] or 0.0)) for row in found}


def _own_ahead(row: Transcription) -> WorkAhead:
    """Returns what its own tenant has in more urgent lanes, or submitted earlier to the same one."""
    earlier = Q(created_at__lt=row.created_at) | Q(created_at=row.created_at, id__lt=row.id)
    queued = Transcription.objects.filter(tenant_id=row.tenant_id, status=Status.QUEUED)
    ahead = queued.filter(Q(lane__lt=row.lane) | Q(earlier, lane=row.lane))
    found = ahead.aggregate(n=Count("id"), seconds=Sum(F("audio_seconds") - F("saved_seconds")))
    return WorkAhead(found["n"], max(0.0, found["seconds"] or 0.0))


def _virtual_start(row: Transcription, own: WorkAhead, snapshot: QueueSnapshot) -> float:
    """Returns the virtual time of its tenant at which the transcription is served."""
    schedule = TenantSchedule.objects.filter(tenant_id=row.tenant_id).first()
    begin = max(schedule.virtual_time if schedule else 0.0, snapshot.system_time - fairness.CREDIT_SECONDS)
    return begin + own.seconds * COST[Lane(row.lane)] / row.tenant.quota.share


def _others_ahead(row: Transcription, start: float, snapshot: QueueSnapshot) -> WorkAhead:
    """Returns what the waiting transcriptions of other tenants are served until the virtual time `start`."""
    lanes = [Lane.INTERACTIVE] if row.lane == Lane.INTERACTIVE else list(Lane)
    tenants = {backlog.tenant_id for backlog in snapshot.backlogs} - {row.tenant_id}
    ahead = [_served_until(start, tenant_id, lanes, snapshot) for tenant_id in tenants]
    return WorkAhead(sum(part.count for part in ahead), sum(part.seconds for part in ahead))


def _arriving_ahead(row: Transcription, start: float, wait: float, snapshot: QueueSnapshot) -> float:
    """Returns the audio seconds that other tenants submit in `wait` seconds, and are served before it."""
    waiting: dict[UUID, float] = defaultdict(float)
    for backlog in snapshot.backlogs:
        waiting[backlog.tenant_id] += backlog.seconds
    total = 0.0
    for other in snapshot.arrivals:
        if other.tenant_id != row.tenant_id:
            begin = max(other.virtual_time, snapshot.system_time)
            limit = (start - begin) * other.share - waiting[other.tenant_id]
            total += max(0.0, min(other.rate * wait, limit))
    return total


def _served_until(until: float, tenant_id: UUID, lanes: list[Lane], snapshot: QueueSnapshot) -> WorkAhead:
    """Returns what a tenant is served until a virtual time: whole recordings, so half of one more on average."""
    count, seconds = 0.0, 0.0
    served = [backlog for backlog in snapshot.backlogs if backlog.tenant_id == tenant_id and backlog.lane in lanes]
    for backlog in sorted(served, key=lambda backlog: backlog.lane):
        begin = max(backlog.virtual_time, snapshot.system_time - fairness.CREDIT_SECONDS)
        limit = (until - begin) * backlog.share / COST[Lane(backlog.lane)] - seconds
        if limit < 0:
            break
        part = min(backlog.seconds, limit + backlog.seconds / backlog.count / 2)
        seconds += part
        count += backlog.count * part / backlog.seconds if backlog.seconds else backlog.count
    return WorkAhead(count, seconds)


def _wait_for_worker(
    row: Transcription, start: float, own: WorkAhead, others: WorkAhead, snapshot: QueueSnapshot
) -> float:
    """Returns the seconds until a worker of its lane is free and everything ahead has been claimed.

    The other workers are in the middle of their recordings then, and the rest of those is not waited for.
    """
    assert snapshot.speed is not None
    workers = _workers_of(row.lane, snapshot.workers)
    count = own.count + others.count + snapshot.running_count
    if count < workers:
        return 0.0
    seconds = own.seconds + others.seconds + snapshot.running_seconds
    in_the_middle = min(count, workers) - 1
    left_in_the_middle = in_the_middle * seconds / count / 2 if count else 0.0
    full_speed = snapshot.speed.of_all(workers)
    wait = certain = max(0.0, seconds - left_in_the_middle) / full_speed
    for _round in range(ROUNDS):
        wait = certain + _arriving_ahead(row, start, wait, snapshot) / full_speed
    return wait


def _wait_for_quota(row: Transcription, own: WorkAhead, snapshot: QueueSnapshot) -> float:
    """Returns the seconds until its tenant's limit on transcriptions at once lets another one run."""
    assert snapshot.speed is not None
    limit = row.tenant.quota.concurrent
    running, seconds = snapshot.running.get(row.tenant_id, (0, 0.0))
    count = running + own.count
    if count < limit:
        return 0.0
    left_in_the_middle = (limit - 1) * (seconds + own.seconds) / count / 2
    at_once = min(snapshot.workers, snapshot.total_count)
    return max(0.0, seconds + own.seconds - left_in_the_middle) / (snapshot.speed.of_each(at_once) * limit)


def _workers_of(lane: int, workers: int) -> int:
    return sum(lane in fairness.lanes_of(number, workers) for number in range(workers))


def _busiest(spans: list[Span], speeds: list[float]) -> float:
    """Returns the audio seconds done in a second at the busiest, when each transcription has its own even speed."""
    paired = zip(spans, speeds, strict=True)
    changes = sorted(change for (start, end, _), speed in paired for change in ((start, speed), (end, -speed)))
    now, active, measured = 0.0, 0, []
    for (time, change), (following, _) in pairwise(changes):
        now += change
        active += 1 if change > 0.0 else -1
        if active:  # else `now` is what rounding left, which isn't always 0
            measured.append((now, (following - time).total_seconds()))
    return _high([(speed, weight) for speed, weight in measured if weight > 0.0])


def _high(weighted: list[tuple[float, float]]) -> float:
    """Returns the weighted HIGH_QUANTILE of (value, weight) pairs: near the largest, and no outlier."""
    left = HIGH_QUANTILE * sum(weight for _value, weight in weighted)
    for value, weight in sorted(weighted):
        left -= weight
        if left <= 0:
            return value
    return max(value for value, _weight in weighted)

"""Where a waiting transcription stands, and when it is likely to be done.

The fair order says how many audio seconds are served before it, and how far others who come later may slip in; the
recent past says how fast the work goes, and how much comes.
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
from tenants.models import Quota
from transcription.models import Lane, Status, TenantSchedule, Transcription
from transcription.options import engines
from transcription.queue import fairness
from transcription.queue.fairness import COST, Waiting

SAMPLE = 40
SAMPLE_AGE = timedelta(hours=24)
HIGH = 0.9
OUTLOOK_SECONDS = 2
OUTLOOK_KEY = "transcription.eta.outlook"
LATELY = timedelta(hours=1)
NEWCOMERS_SECONDS = 60
NEWCOMERS_KEY = "transcription.eta.newcomers"
ROUNDS = 6
Span = tuple[datetime, datetime, float]


@dataclass(frozen=True)
class Place:
    """`position` counts from 1; `eta_seconds` until the text is there, None while no speed was measured."""

    position: int
    eta_seconds: float | None


@dataclass(frozen=True)
class Speed:
    """Audio seconds done in a second: by the whole installation at its busiest, and for one recording at the best."""

    together: float
    alone: float

    def of_one_among(self, count: int) -> float:
        """What one recording gets while `count` are worked on."""
        return min(self.alone, self.together / max(1, count))

    def of_all(self, workers: int) -> float:
        return min(self.together, self.alone * workers)


@dataclass(frozen=True)
class Newcomer:
    """A tenant that brought work lately: `rate` in audio seconds a second."""

    tenant_id: UUID
    virtual_time: float
    share: int
    rate: float


@dataclass(frozen=True)
class Outlook:
    """What everybody's estimates have in common. Seconds are audio seconds still to be done."""

    backlogs: list[Waiting]
    running: dict[UUID, tuple[int, float]]
    system_time: float
    workers: int
    speed: Speed | None
    newcomers: list[Newcomer]

    @property
    def running_count(self) -> int:
        return sum(count for count, _seconds in self.running.values())

    @property
    def in_all(self) -> int:
        return self.running_count + sum(backlog.count for backlog in self.backlogs)

    @property
    def running_seconds(self) -> float:
        return sum(seconds for _count, seconds in self.running.values())


@dataclass(frozen=True)
class Ahead:
    """What is served before a transcription: how many, and their audio seconds."""

    count: float
    seconds: float


def place(row: Transcription) -> Place:
    """The place of a queued transcription among all tenants' ones, and how long until its text is there."""
    with scope.across_tenants("a queue is shared"):
        outlook = _outlook()
        own = _own_ahead(row)
        start = _start(row, own, outlook)
        others = _others_ahead(row, start, outlook)
        position = 1 + round(own.count + others.count)
        if outlook.speed is None:
            return Place(position, None)
        if row.tenant.quota.concurrent == 0:
            return Place(position, None)
        wait = max(_wait_for_a_worker(row, start, own, others, outlook), _wait_for_the_cap(row, own, outlook))
        at_once = min(_workers_of(row.lane, outlook.workers), outlook.in_all)
        return Place(position, wait + fairness.left_seconds(row) / outlook.speed.of_one_among(at_once))


def measured_speed() -> Speed | None:
    """From the latest finished transcriptions and those that run; None before the first."""
    with scope.across_tenants("the speed is everybody's"):
        recent = Transcription.objects.filter(
            status=Status.COMPLETED, reused_from=None, finished_at__gte=Now() - SAMPLE_AGE
        ).order_by("-finished_at")
        rows = list(recent.values_list("started_at", "finished_at", "audio_seconds")[:SAMPLE])
        running = Transcription.objects.filter(status=Status.RUNNING, fence=1, saved_seconds__gt=0)
        rows += list(running.values_list("started_at", Now(), "saved_seconds"))
    spans = [(start, end, seconds) for start, end, seconds in rows if start and end and end > start and seconds]
    if not spans:
        return None
    speeds = [seconds / (end - start).total_seconds() for start, end, seconds in spans]
    return Speed(together=_busiest(spans, speeds), alone=_high([(speed, 1.0) for speed in speeds]))


def _outlook() -> Outlook:
    """Asked for by every waiting page every few seconds, so taken once for all of a process."""
    found = cache.get(OUTLOOK_KEY)
    if not isinstance(found, Outlook):
        found = Outlook(
            backlogs=fairness.everybody_waiting(),
            running=_running(),
            system_time=fairness.system_time(),
            workers=max(1, sum(engine.workers_alive for engine in engines.alive())),
            speed=measured_speed(),
            newcomers=cache.get_or_set(NEWCOMERS_KEY, _newcomers, NEWCOMERS_SECONDS) or [],
        )
        cache.set(OUTLOOK_KEY, found, OUTLOOK_SECONDS)
    return found


def _newcomers() -> list[Newcomer]:
    lately = Transcription.objects.filter(created_at__gte=Now() - LATELY, reused_from=None).order_by()
    rows = lately.values("tenant_id", "tenant__schedule__virtual_time", "tenant__quota__share")
    return [
        Newcomer(
            row["tenant_id"],
            row["tenant__schedule__virtual_time"] or 0.0,
            row["tenant__quota__share"] or 1,
            row["seconds"] / LATELY.total_seconds(),
        )
        for row in rows.annotate(seconds=Sum("audio_seconds"))
    ]


def _running() -> dict[UUID, tuple[int, float]]:
    rows = Transcription.objects.filter(status=Status.RUNNING).order_by().values("tenant_id")
    found = rows.annotate(n=Count("id"), seconds=Sum(F("audio_seconds") - F("saved_seconds")))
    return {row["tenant_id"]: (row["n"], max(0.0, row["seconds"] or 0.0)) for row in found}


def _own_ahead(row: Transcription) -> Ahead:
    """Its own tenant's: more urgent lanes first, then who came first."""
    earlier = Q(created_at__lt=row.created_at) | Q(created_at=row.created_at, id__lt=row.id)
    queued = Transcription.objects.filter(tenant_id=row.tenant_id, status=Status.QUEUED)
    ahead = queued.filter(Q(lane__lt=row.lane) | Q(earlier, lane=row.lane))
    found = ahead.aggregate(n=Count("id"), seconds=Sum(F("audio_seconds") - F("saved_seconds")))
    return Ahead(found["n"], max(0.0, found["seconds"] or 0.0))


def _start(row: Transcription, own: Ahead, outlook: Outlook) -> float:
    """The virtual time at which its tenant's turn has come to it."""
    turn = TenantSchedule.objects.filter(tenant_id=row.tenant_id).first()
    share = Quota.objects.values_list("share", flat=True).get(tenant_id=row.tenant_id)
    begin = max(turn.virtual_time if turn else 0.0, outlook.system_time - fairness.CREDIT_SECONDS)
    return begin + own.seconds * COST[Lane(row.lane)] / share


def _others_ahead(row: Transcription, start: float, outlook: Outlook) -> Ahead:
    """What other tenants that wait are given until then."""
    lanes = [Lane.INTERACTIVE] if row.lane == Lane.INTERACTIVE else list(Lane)
    tenants = {backlog.tenant_id for backlog in outlook.backlogs} - {row.tenant_id}
    ahead = [_given(outlook, tenant_id, start, lanes) for tenant_id in tenants]
    return Ahead(sum(part.count for part in ahead), sum(part.seconds for part in ahead))


def _slipping_in(row: Transcription, start: float, wait: float, outlook: Outlook) -> float:
    """Audio seconds that other tenants will bring while it waits, and be given before it."""
    waiting: dict[UUID, float] = defaultdict(float)
    for backlog in outlook.backlogs:
        waiting[backlog.tenant_id] += backlog.seconds
    others = [other for other in outlook.newcomers if other.tenant_id != row.tenant_id]
    rooms = [
        (start - max(other.virtual_time, outlook.system_time)) * other.share - waiting[other.tenant_id]
        for other in others
    ]
    return sum(max(0.0, min(other.rate * wait, room)) for other, room in zip(others, rooms, strict=True))


def _given(outlook: Outlook, tenant_id: UUID, until: float, lanes: list[Lane]) -> Ahead:
    """What a tenant is given until the virtual time `until`: whole recordings, so half a one more on average."""
    count, seconds = 0.0, 0.0
    for backlog in sorted(
        (backlog for backlog in outlook.backlogs if backlog.tenant_id == tenant_id), key=lambda backlog: backlog.lane
    ):
        if backlog.lane not in lanes:
            continue
        begin = max(backlog.virtual_time, outlook.system_time - fairness.CREDIT_SECONDS)
        room = (until - begin) * backlog.share / COST[Lane(backlog.lane)] - seconds
        if room < 0:
            break
        part = min(backlog.seconds, room + backlog.seconds / backlog.count / 2)
        seconds += part
        count += backlog.count * part / backlog.seconds if backlog.seconds else backlog.count
    return Ahead(count, seconds)


def _wait_for_a_worker(row: Transcription, start: float, own: Ahead, others: Ahead, outlook: Outlook) -> float:
    """Seconds until a worker of its lane is free and everything ahead has been taken.

    When it is taken, the other workers are in the middle of theirs: that much is not waited for.
    """
    assert outlook.speed is not None
    workers = _workers_of(row.lane, outlook.workers)
    free = workers - outlook.running_count
    ahead = own.count + others.count
    if ahead < free:
        return 0.0
    count, seconds = ahead + outlook.running_count, own.seconds + others.seconds + outlook.running_seconds
    in_the_middle = min(count, workers) - 1
    left_in_the_middle = in_the_middle * seconds / count / 2 if count else 0.0
    full_speed = outlook.speed.of_all(workers)
    wait = certain = max(0.0, seconds - left_in_the_middle) / full_speed
    for _round in range(ROUNDS):
        wait = certain + _slipping_in(row, start, wait, outlook) / full_speed
    return wait


def _wait_for_the_cap(row: Transcription, own: Ahead, outlook: Outlook) -> float:
    """Seconds until its tenant may run one more."""
    assert outlook.speed is not None
    cap = Quota.objects.values_list("concurrent", flat=True).get(tenant_id=row.tenant_id)
    running, seconds = outlook.running.get(row.tenant_id, (0, 0.0))
    count = running + own.count
    if count < cap:
        return 0.0
    left_in_the_middle = (cap - 1) * (seconds + own.seconds) / count / 2
    at_once = min(outlook.workers, outlook.in_all)
    return max(0.0, seconds + own.seconds - left_in_the_middle) / (outlook.speed.of_one_among(at_once) * cap)


def _workers_of(lane: int, workers: int) -> int:
    return sum(lane in fairness.lanes_of(number, workers) for number in range(workers))


def _busiest(spans: list[Span], speeds: list[float]) -> float:
    """What was done in a second when most was done: each of the transcriptions at its own even speed."""
    turns = [(start, speed) for (start, _end, _), speed in zip(spans, speeds, strict=True)]
    turns += [(end, -speed) for (_start, end, _), speed in zip(spans, speeds, strict=True)]
    turns.sort()
    now, measured = 0.0, []
    for (time, change), (following, _) in pairwise(turns):
        now += change
        measured.append((now, (following - time).total_seconds()))
    return _high([(speed, weight) for speed, weight in measured if speed > 0.0 and weight > 0.0])


def _high(weighted: list[tuple[float, float]]) -> float:
    """The value that a tenth of the weight lies above: near the largest, and no outlier."""
    left = HIGH * sum(weight for _value, weight in weighted)
    for value, weight in sorted(weighted):
        left -= weight
        if left <= 0:
            return value
    return max(value for value, _weight in weighted)

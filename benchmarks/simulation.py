"""A simulated day at a transcription service.

The queue is the real one (intake, claims, completion, estimates, on a real database); only the clock and the engine
are simulated. The engine does at most `capacity` audio seconds in a second, and at most `alone` for one recording.
"""

from __future__ import annotations

import heapq
import random
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import time_machine
from django.core.cache import cache
from django.db import transaction
from django.db.models import F
from django.test.utils import override_settings
from django.utils import timezone

from tenants import scope
from tenants.access import EDIT, Actor
from tenants.models import Quota, Reservation, Tenant, UsageMonth
from tests.clocks import travelling_database
from transcription import tenant_lock
from transcription.intake import accept
from transcription.models import Engine, Lane, LaneBacklog, Recording, TenantSchedule, Transcription
from transcription.options.options import TranscriptionOptions
from transcription.queue import claims, eta, fairness, lifecycle
from transcription.queue.claims import Claim

MORNING = datetime(2026, 3, 2, 8, tzinfo=UTC)
HOUR = 3600.0
SETTINGS = {
    "LEASE_SECONDS": 7 * 86400,
    "CHANNEL_LAYERS": {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}},
    "REDIS_URL": "unix:///nowhere/redis.sock",
}


@dataclass(frozen=True, order=True)
class Arrival:
    """Somebody uploads `seconds` of audio, `at` seconds after the morning."""

    at: float
    tenant: int
    seconds: float
    lane: int = Lane.STANDARD


@dataclass(frozen=True)
class Told:
    """What somebody was told on entering the queue, and what happened: seconds from entering."""

    eta: float | None
    waited: float
    done: float


@dataclass(eq=False)
class Job:
    """A recording in a worker's hands; `left` in audio seconds."""

    claim: Claim
    worker: int
    began: float
    seconds: float
    left: float


@dataclass(eq=False)
class Day:
    """One day of some workers and one engine."""

    tenants: Sequence[Tenant]
    workers: int = 8
    capacity: float = 40.0
    alone: float = 12.0
    now: float = 0.0
    jobs: list[Job] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    served: dict[UUID, float] = field(default_factory=lambda: defaultdict(float))
    _entered: dict[UUID, tuple[float, float | None]] = field(default_factory=dict)

    def run(self, arrivals: list[Arrival], until: float = float("inf")) -> None:
        """Returns when everything is done, or, with work left, at `until`."""
        heapq.heapify(arrivals)
        with ExitStack() as stack:
            stack.enter_context(override_settings(**SETTINGS))
            stack.enter_context(travelling_database())
            self._clock = stack.enter_context(time_machine.travel(self._time(), tick=False))
            while (arrivals or self.jobs) and self.now < until:
                self._advance(min(arrivals[0].at if arrivals else float("inf"), self._next_end()))
                self._finish()
                while arrivals and arrivals[0].at <= self.now:
                    self._enter(heapq.heappop(arrivals))
                self._hire()

    @property
    def rate(self) -> float:
        """Audio seconds a second that each job gets."""
        return min(self.alone, self.capacity / len(self.jobs)) if self.jobs else 0.0

    def _time(self) -> datetime:
        return MORNING + timedelta(seconds=self.now)

    def _next_end(self) -> float:
        return self.now + min(job.left for job in self.jobs) / self.rate if self.jobs else float("inf")

    def _advance(self, to: float) -> None:
        done = (to - self.now) * self.rate
        for job in self.jobs:
            job.left -= done
            self.served[job.claim.tenant_id] += done
        self.now = to
        self._clock.move_to(self._time())

    def _finish(self) -> None:
        for job in [job for job in self.jobs if job.left <= 1e-6]:
            self.jobs.remove(job)
            with scope.bound(job.claim.tenant_id):
                lifecycle.complete(job.claim, "Text", job.seconds, [])
            entered, promised = self._entered.pop(job.claim.transcription_id)
            self.told.append(Told(promised, job.began - entered, self.now - entered))

    def _enter(self, arrival: Arrival) -> None:
        tenant = self.tenants[arrival.tenant]
        self._report()
        with scope.bound(tenant.id):
            options = TranscriptionOptions.checked(model="base", lane=arrival.lane)
            row = accept.transcribe_again(Actor(tenant, EDIT), recording_of(tenant, arrival.seconds), options)
            self._entered[row.id] = (self.now, eta.estimate(row).eta_seconds)

    def _report(self) -> None:
        """What workers and gpuworkers write down as they go."""
        cache.delete(eta.SNAPSHOT_KEY)
        Engine.objects.update_or_create(
            name="simulated", defaults={"host": "here", "workers_alive": self.workers, "updated_at": timezone.now()}
        )
        for job in self.jobs:
            with scope.bound(job.claim.tenant_id):
                done = max(0.0, job.seconds - job.left)
                Transcription.objects.filter(id=job.claim.transcription_id).update(saved_seconds=done)

    def _hire(self) -> None:
        busy = {job.worker for job in self.jobs}
        for worker in set(range(self.workers)) - busy:
            claim = claims.claim(f"simulated/{worker}.1", fairness.lanes_of(worker, self.workers))
            if claim is None:
                continue
            with scope.bound(claim.tenant_id):
                seconds = Transcription.objects.get(id=claim.transcription_id).audio_seconds
            self.jobs.append(Job(claim, worker, self.now, seconds, seconds))
            self._entered.setdefault(claim.transcription_id, (0.0, None))


def recording_of(tenant: Tenant, seconds: float) -> Recording:
    return Recording.objects.create(
        tenant=tenant, name="Recording", bytes=1, duration_seconds=seconds, format="wav", sha256="", storage_key="none"
    )


def customers(count: int, concurrent: int = 100) -> list[Tenant]:
    """Tenants that no limit but the fair order holds back."""
    made = [Tenant.objects.create(name=f"Customer {number}") for number in range(count)]
    for tenant in made:
        Quota.objects.create(
            tenant=tenant, monthly_seconds=10**12, concurrent=concurrent, upload_bytes=1,
            recording_seconds=10**6, stored_bytes=1,
        )  # fmt: skip
    return made


def backlog(tenant: Tenant, count: int, seconds: float, lane: int = Lane.STANDARD) -> None:
    """Queues many alike at once, as a script of theirs would."""
    with scope.bound(tenant.id):
        recording = recording_of(tenant, seconds)
        rows = [
            Transcription(tenant=tenant, recording=recording, model="base", lane=lane, audio_seconds=seconds,
                          not_before=MORNING, created_at=MORNING)
            for _ in range(count)
        ]  # fmt: skip
        Transcription.objects.bulk_create(rows, batch_size=500)
        month = date(MORNING.year, MORNING.month, 1)
        usage, _made = UsageMonth.objects.get_or_create(tenant=tenant, month=month)
        UsageMonth.objects.filter(id=usage.id).update(reserved_seconds=F("reserved_seconds") + count * int(seconds))
        held = [Reservation(tenant=tenant, month=usage, transcription_id=row.id, seconds=int(seconds)) for row in rows]
        Reservation.objects.bulk_create(held, batch_size=500)
        with transaction.atomic():
            fairness.enter(tenant_lock.lock(tenant.id), rows[0])
        fairness.correct(tenant.id, lane)


def busy_day(tenants: int, hours: float, load: float, seed: int, capacity: float = 40.0) -> list[Arrival]:
    """Bursts of meetings, lectures and memos, with a rush before noon; `load` is the share of the capacity."""
    chance = random.Random(seed)
    arrivals: list[Arrival] = []
    wanted, total = load * capacity * hours * HOUR, 0.0
    while total < wanted:
        at = min(max(0.0, chance.gauss(0.4, 0.25)), 1.0) * hours * HOUR
        tenant = min(int(chance.expovariate(3.0 / tenants)), tenants - 1)
        for _ in range(chance.choice((1, 1, 1, 2, 5, 12))):
            seconds = chance.choice((chance.uniform(20, 290), chance.uniform(300, 2400), chance.uniform(1200, 7200)))
            lane = Lane.INTERACTIVE if seconds < 300 and chance.random() < 0.5 else Lane.STANDARD
            arrivals.append(Arrival(at + chance.uniform(0, 120), tenant, seconds, lane))
            total += seconds
    return arrivals


def jain(values: Sequence[float]) -> float:
    """Jain's fairness index: 1 when all are equal, 1/n when one has everything (Jain, Chiu, Hawe 1984)."""
    return sum(values) ** 2 / (len(values) * sum(value**2 for value in values))


def forget() -> None:
    """Ready for another day."""
    with scope.across_tenants("another day"):
        Transcription.objects.all().delete()
    TenantSchedule.objects.all().delete()
    LaneBacklog.objects.all().delete()
    cache.clear()

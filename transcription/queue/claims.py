"""Claims the fairest due transcription for a worker, until its lease expires. `lifecycle` does the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Count, F, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce, Now

from tenants import scope
from transcription import leases, tenant_lock
from transcription.models import Attempt, Lane, LaneBacklog, Status, TenantSchedule, Transcription
from transcription.queue import fairness, progress

CANDIDATES = 8
ROUNDS = 8


@dataclass(frozen=True)
class Claim(leases.Claim):
    """A worker's right to write to a transcription."""

    recording_id: UUID

    @classmethod
    def of(cls, row: Transcription) -> Claim:
        return cls(row.tenant_id, row.id, row.fence, row.request_id, row.recording_id)

    @property
    def transcription_id(self) -> UUID:
        return self.id


def claim(worker: str, lanes: Sequence[int] = Lane.values) -> Claim | None:
    """Claims the fairest due transcription of these lanes. Returns None when nothing is due.

    Tenants that somebody has locked are skipped in the first round; if that leaves nothing, later rounds wait for them.
    """
    passed: set[UUID] = set()
    with scope.across_tenants("a worker serves every tenant"):
        for round_number in range(ROUNDS):
            waits = round_number > 0
            candidates = list(fairness.in_order(lanes, _busy_tenants(), passed)[:CANDIDATES])
            for candidate in candidates:
                if claimed := _claim_from(candidate, worker, waits):
                    progress.announce_change(claimed.tenant_id, claimed.recording_id, claimed.transcription_id)
                    return claimed
            if waits:
                passed |= {candidate.tenant_id for candidate in candidates}
            if not candidates:
                break
    return None


def due_by_lane() -> dict[int, int]:
    """Returns how many transcriptions wait in each lane, of tenants with something due that may run more."""
    with scope.across_tenants("the sweeper wakes workers for every tenant"):
        backlogs = fairness.in_order(Lane.values, _busy_tenants(), ()).order_by()
        return dict(backlogs.values_list("lane").annotate(n=Sum("waiting")))


def next_lane() -> int | None:
    """Returns the lane of the next due transcription that could be claimed."""
    with scope.across_tenants("the order is everybody's"):
        backlog = fairness.in_order(Lane.values, _busy_tenants(), ()).first()
        return backlog.lane if backlog else None


def _busy_tenants() -> QuerySet[Transcription, Any]:
    """Selects the ids of tenants that run as many transcriptions as their quota allows."""
    running = Transcription.objects.filter(status=Status.RUNNING).order_by().values("tenant_id")
    counted = running.annotate(n=Count("id"), limit=F("tenant__quota__concurrent"))
    return counted.filter(n__gte=F("limit")).values("tenant_id")


def _claim_from(backlog: LaneBacklog, worker: str, waits: bool) -> Claim | None:
    """Claims the first due transcription of a backlog. Returns None if it has none, or its tenant may run no more.

    If `waits` is false, also if the tenant is locked.
    """
    with transaction.atomic():
        schedule = tenant_lock.lock(backlog.tenant_id) if waits else tenant_lock.try_lock(backlog.tenant_id)
        if schedule is None:
            return None
        of_tenant = Transcription.objects.filter(tenant_id=backlog.tenant_id)
        waiting = of_tenant.filter(lane=backlog.lane, status=Status.QUEUED, not_before__lte=Now())
        running = of_tenant.filter(status=Status.RUNNING).order_by().values("tenant_id")
        counted = Coalesce(Subquery(running.annotate(n=Count("id")).values("n")), 0)
        row = waiting.annotate(running=counted).order_by("created_at", "id").first()
        if row is None:
            fairness.correct(backlog.tenant_id, backlog.lane)
            return None
        return _claimed(schedule, row, worker) if row.running < schedule.tenant.quota.concurrent else None


def _claimed(schedule: TenantSchedule, row: Transcription, worker: str) -> Claim | None:
    won = leases.claim(
        Transcription.objects.filter(status=Status.QUEUED),
        row,
        status=Status.RUNNING,
        attempts_made=F("attempts_made") + 1,
        lease_until=Now() + lease_duration(),
        worker=worker,
        started_at=Coalesce("started_at", Now()),
    )
    if won is None:
        return None
    fairness.leave(schedule, row)
    fairness.serve(schedule, row)
    Attempt.objects.create(tenant_id=row.tenant_id, transcription_id=row.id, fence=won.fence, worker=worker)
    return Claim(won.tenant_id, won.id, won.fence, won.request_id, row.recording_id)


def lease_duration() -> timedelta:
    return timedelta(seconds=settings.LEASE_SECONDS)


def row_under_lease(claim: Claim) -> QuerySet[Transcription]:
    """Selects the claimed row, as long as the lease has not expired."""
    return leases.claimed(Transcription.objects.filter(status=Status.RUNNING, lease_until__gt=Now()), claim)


def holds(claim: Claim) -> bool:
    """Returns whether the worker should go on: its attempt is running, or was just completed."""
    ours = Transcription.objects.filter(status__in=(Status.RUNNING, Status.COMPLETED))
    return leases.claimed(ours, claim).exists()

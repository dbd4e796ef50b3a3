"""Who works on what: the fairest due transcription goes to whoever asks, and is its own until the lease expires.

A claim is a compare-and-swap that counts its rows; the loser moves on. What becomes of it is lifecycle's.
"""

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
from transcription import tenant_lock
from transcription.models import Attempt, Lane, LaneBacklog, Status, TenantSchedule, Transcription
from transcription.queue import fairness, progress

CANDIDATES = 8
ROUNDS = 8


class LostClaim(Exception):
    """The attempt's fence or lease is gone: somebody else decides about this transcription now."""


@dataclass(frozen=True)
class Claim:
    """A worker's right to write to one transcription, until its lease expires."""

    tenant_id: UUID
    recording_id: UUID
    transcription_id: UUID
    fence: int
    request_id: str = ""
    """Of the HTTP request that asked for the transcription."""


def claim(worker: str, lanes: Sequence[int] = Lane.values) -> Claim | None:
    """The fairest due transcription of these lanes, now running under `worker`'s lease; None when nothing is due.

    At first a tenant whose schedule somebody holds is passed by; where that leaves nothing, it is waited for.
    """
    passed: set[UUID] = set()
    with scope.across_tenants("a worker serves every tenant"):
        for round_number in range(ROUNDS):
            waits = round_number > 0
            candidates = list(fairness.in_order(lanes, _busy_tenants(), passed)[:CANDIDATES])
            for candidate in candidates:
                if claimed := _claim_from(candidate, worker, waits):
                    progress.changed(claimed.tenant_id, claimed.recording_id, claimed.transcription_id)
                    return claimed
            if waits:
                passed |= {candidate.tenant_id for candidate in candidates}
            if not candidates:
                break
    return None


def due_by_lane() -> dict[int, int]:
    """How many transcriptions wait in each lane, of tenants with something due that may run more."""
    with scope.across_tenants("the sweeper rings for every tenant"):
        backlogs = fairness.in_order(Lane.values, _busy_tenants(), ()).order_by()
        return dict(backlogs.values_list("lane").annotate(n=Sum("waiting")))


def next_lane() -> int | None:
    """The lane of the next due transcription that could be claimed."""
    with scope.across_tenants("the order is everybody's"):
        backlog = fairness.in_order(Lane.values, _busy_tenants(), ()).first()
        return backlog.lane if backlog else None


def _busy_tenants() -> QuerySet[Transcription, Any]:
    """Ids of the tenants that run as many transcriptions as their quota allows."""
    running = Transcription.objects.filter(status=Status.RUNNING).order_by().values("tenant_id")
    counted = running.annotate(n=Count("id"), limit=F("tenant__quota__concurrent"))
    return counted.filter(n__gte=F("limit")).values("tenant_id")


def _claim_from(backlog: LaneBacklog, worker: str, waits: bool) -> Claim | None:
    """The first due transcription of a backlog; None where it has none, or its tenant may run no more."""
    with transaction.atomic():
        schedule = tenant_lock.lock(backlog.tenant_id) if waits else tenant_lock.lock_now(backlog.tenant_id)
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
    won = Transcription.objects.filter(id=row.id, status=Status.QUEUED, fence=row.fence).update(
        status=Status.RUNNING,
        fence=F("fence") + 1,
        attempts_made=F("attempts_made") + 1,
        lease_until=Now() + lease(),
        worker=worker,
        started_at=Coalesce("started_at", Now()),
    )
    if not won:
        return None
    fairness.leave(schedule, row)
    fairness.serve(schedule, row)
    fence = row.fence + 1
    Attempt.objects.create(tenant_id=row.tenant_id, transcription_id=row.id, fence=fence, worker=worker)
    return Claim(row.tenant_id, row.recording_id, row.id, fence, row.request_id)


def lease() -> timedelta:
    return timedelta(seconds=settings.LEASE_SECONDS)


def held(claim: Claim) -> QuerySet[Transcription]:
    """The claimed row, as long as the claim holds."""
    return Transcription.objects.filter(
        id=claim.transcription_id, status=Status.RUNNING, fence=claim.fence, lease_until__gt=Now()
    )


def holds(claim: Claim) -> bool:
    """Whether the worker should go on: the attempt is still its own, running or just completed."""
    rows = Transcription.objects.filter(id=claim.transcription_id, fence=claim.fence)
    return rows.filter(status__in=(Status.RUNNING, Status.COMPLETED)).exists()

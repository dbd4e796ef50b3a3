"""Orders tenants' transcriptions: weighted fair queueing by audio seconds.

Start-time fair queueing (Goyal, Vin, Cheng 1996). A tenant's virtual time is the audio seconds it was given, over
its share. Each claim takes the tenant whose virtual time is lowest and adds the claimed seconds to it:

    start = max(own virtual time, system virtual time - CREDIT_SECONDS)
    own virtual time = start + seconds * COST[lane] / share

The system's virtual time is the latest start of anybody. A tenant that was away comes back at the system's virtual
time, so that idling saves nothing up; one held back by its cap on transcriptions at once may catch up by
CREDIT_SECONDS at most. Within a tenant the lane counts, then who came first.

Functions that take a `schedule` are called with its tenant locked (`tenant_lock`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Case, Count, F, FloatField, Max, Min, QuerySet, Sum, Value, When
from django.db.models.functions import Greatest, Least, Now

from tenants import scope
from transcription import tenant_lock
from transcription.lookout import Lookout
from transcription.models import Lane, LaneBacklog, Status, TenantSchedule, Transcription

CREDIT_SECONDS = 3600.0
COST = {Lane.INTERACTIVE: 1.0, Lane.STANDARD: 1.0, Lane.BULK: 4.0}
INTERACTIVE_ONLY_SHARE = 4


@dataclass(frozen=True)
class Waiting:
    """What a tenant has waiting in one lane, and its place in the order. `seconds` are audio seconds."""

    tenant_id: UUID
    lane: int
    virtual_time: float
    share: int
    count: int
    seconds: float


def lanes_of(worker: int, workers: int) -> list[int]:
    """Returns the lanes of one of `workers`: every fourth, and at least one, serves only people who wait."""
    keeps_room = worker < max(1, workers // INTERACTIVE_ONLY_SHARE) and workers > 1
    return [Lane.INTERACTIVE] if keeps_room else list(Lane.values)


def enter(schedule: TenantSchedule, row: Transcription) -> None:
    """Counts a transcription that waits from now on."""
    if not LaneBacklog.objects.filter(tenant_id=schedule.tenant_id, waiting__gt=0).exists():
        _catch_up(schedule)
    _backlog(row).filter(due_at=None).update(due_at=row.not_before)
    _backlog(row).update(
        waiting=F("waiting") + 1,
        waiting_seconds=F("waiting_seconds") + left_seconds(row),
        due_at=Least(F("due_at"), row.not_before),
    )


def leave(schedule: TenantSchedule, row: Transcription) -> None:
    """Counts a transcription less that was claimed or cancelled."""
    assert schedule.tenant_id == row.tenant_id
    _backlog(row).update(
        waiting=Greatest(F("waiting") - 1, 0),
        waiting_seconds=Greatest(F("waiting_seconds") - left_seconds(row), 0.0),
    )


def serve(schedule: TenantSchedule, row: Transcription) -> None:
    """Charges the tenant's virtual time for a claim."""
    schedule.last_start = max(schedule.virtual_time, system_time() - CREDIT_SECONDS)
    schedule.virtual_time = schedule.last_start + left_seconds(row) * COST[Lane(row.lane)] / schedule.tenant.quota.share
    schedule.save(update_fields=["last_start", "virtual_time"])


def give_back(schedule: TenantSchedule, row: Transcription) -> None:
    """Refunds the tenant's virtual time for what a claim did not get done."""
    undone = left_seconds(row) * COST[Lane(row.lane)] / schedule.tenant.quota.share
    schedule.virtual_time = max(0.0, schedule.virtual_time - undone)
    schedule.save(update_fields=["virtual_time"])


def left_seconds(row: Transcription) -> float:
    """Returns the audio seconds of a transcription that are still to be done."""
    return max(0.0, row.audio_seconds - row.saved_seconds)


def system_time() -> float:
    return TenantSchedule.objects.aggregate(latest=Max("last_start"))["latest"] or 0.0


def in_order(
    lanes: Sequence[int], busy: QuerySet[Transcription, Any], passed: Collection[UUID]
) -> QuerySet[LaneBacklog]:
    """Selects backlogs that may have something due, the fairest first, without tenants in `busy` and `passed`."""
    due = _due().filter(lane__in=lanes, tenant__quota__concurrent__gt=0).exclude(tenant_id__in=busy)
    return due.exclude(tenant_id__in=passed).order_by("tenant__schedule__virtual_time", "tenant_id", "lane")


def _due() -> QuerySet[LaneBacklog]:
    return LaneBacklog.objects.filter(waiting__gt=0, due_at__lte=Now(), tenant__is_active=True)


DUE = Lookout(_due)


def correct(tenant_id: UUID, lane: int) -> None:
    """Counts a backlog again that was found to be wrong."""
    with transaction.atomic():
        tenant_lock.lock(tenant_id)
        with scope.bound(tenant_id):
            waiting = Transcription.objects.filter(lane=lane, status=Status.QUEUED)
            found = waiting.aggregate(n=Count("id"), seconds=Sum(_LEFT), due=Min("not_before"))
        figures = {"waiting": found["n"], "waiting_seconds": found["seconds"] or 0.0, "due_at": found["due"]}
        LaneBacklog.objects.update_or_create(tenant_id=tenant_id, lane=lane, defaults=figures)


def correct_all() -> int:
    """Corrects backlogs that differ from the transcriptions that wait. Returns how many."""
    with scope.across_tenants("the order is everybody's"):
        queued = Transcription.objects.filter(status=Status.QUEUED).order_by().values("tenant_id", "lane")
        found = queued.annotate(n=Count("id"), seconds=Sum(_LEFT), due=Min("not_before"))
        true = {(row["tenant_id"], row["lane"]): (row["n"], row["seconds"], row["due"]) for row in found}
    noted = {(backlog.tenant_id, backlog.lane): backlog for backlog in LaneBacklog.objects.all()}
    wrong = [key for key in {*true, *noted} if not _agrees(noted.get(key), *true.get(key, (0, 0.0, None)))]
    for tenant_id, lane in wrong:
        correct(tenant_id, lane)
    return len(wrong)


def _agrees(backlog: LaneBacklog | None, count: int, seconds: float, due: datetime | None) -> bool:
    """Returns whether a backlog is right. It may be due too early, which costs a query, but never too late."""
    if backlog is None:
        return count == 0
    in_time = due is None or (backlog.due_at is not None and backlog.due_at <= due)
    return backlog.waiting == count and abs(backlog.waiting_seconds - seconds) < 1.0 and in_time


def everybody_waiting() -> list[Waiting]:
    """Returns every backlog with work, in no order."""
    values = (
        "tenant_id",
        "lane",
        "tenant__schedule__virtual_time",
        "tenant__quota__share",
        "waiting",
        "waiting_seconds",
    )
    return [Waiting(*row) for row in LaneBacklog.objects.filter(waiting__gt=0).values_list(*values)]


_LEFT = Case(
    When(audio_seconds__gt=F("saved_seconds"), then=F("audio_seconds") - F("saved_seconds")),
    default=Value(0.0),
    output_field=FloatField(),
)


def _catch_up(schedule: TenantSchedule) -> None:
    """Moves a tenant that had nothing waiting to the system's virtual time."""
    now = system_time()
    if schedule.virtual_time < now:
        schedule.virtual_time = now
        schedule.save(update_fields=["virtual_time"])


def _backlog(row: Transcription) -> QuerySet[LaneBacklog]:
    return LaneBacklog.objects.filter(tenant_id=row.tenant_id, lane=row.lane)

"""The only place where a transcription's status changes, and who may change it.

Every function is one short transaction; a change is a compare-and-swap that counts its rows, and the loser
returns quietly or raises LostClaim. Watchers are told after the commit.
"""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Count, F, Q, QuerySet
from django.utils import timezone

from tenants import quota, scope
from tenants.models import Quota
from transcription import progress, queue
from transcription.failures import Failure
from transcription.models import Attempt, Recording, Segment, Status, Transcription

log = logging.getLogger(__name__)
MOST_ATTEMPTS = 3
RETRY_DELAYS_SECONDS = (10, 60, 300)
RETRY_JITTER = 0.2
CANDIDATES = 8


class LostClaim(Exception):
    """The attempt's fence or lease is gone: somebody else decides about this transcription now."""


@dataclass(frozen=True)
class Claim:
    """A worker's right to write to one transcription, until its lease expires."""

    tenant_id: UUID
    recording_id: UUID
    transcription_id: UUID
    fence: int


def claim(worker: str) -> Claim | None:
    """The next due transcription, now running under `worker`'s lease; None when nothing is due."""
    with scope.across_tenants("a worker serves every tenant"):
        for candidate in _due(timezone.now())[:CANDIDATES]:
            if claimed := _try_claim(candidate, worker):
                progress.changed(claimed.tenant_id, claimed.recording_id, claimed.transcription_id)
                return claimed
    return None


def due_by_lane() -> dict[int, int]:
    """How many transcriptions of each lane could be claimed now."""
    with scope.across_tenants("the sweeper rings for every tenant"):
        rows = _due(timezone.now()).order_by().values("lane").annotate(n=Count("id")).values_list("lane", "n")
        return dict(rows)


def _due(now: datetime) -> QuerySet[Transcription]:
    due = Transcription.objects.filter(status=Status.QUEUED, not_before__lte=now, tenant__is_active=True)
    return due.exclude(tenant_id__in=_busy_tenants()).order_by("lane", "created_at")


def _busy_tenants() -> list[UUID]:
    """Tenants that run as many transcriptions as their quota allows."""
    running = Transcription.objects.filter(status=Status.RUNNING).order_by()
    counts = dict(running.values_list("tenant_id").annotate(n=Count("id")))
    limits = Quota.objects.filter(tenant_id__in=counts).values_list("tenant_id", "concurrent")
    return [tenant_id for tenant_id, limit in limits if counts[tenant_id] >= limit]


def _try_claim(candidate: Transcription, worker: str) -> Claim | None:
    now = timezone.now()
    with transaction.atomic():
        if _is_at_cap(candidate.tenant_id):
            return None
        won = Transcription.objects.filter(id=candidate.id, status=Status.QUEUED, fence=candidate.fence).update(
            status=Status.RUNNING,
            fence=F("fence") + 1,
            attempts_made=F("attempts_made") + 1,
            lease_until=now + lease(),
            worker=worker,
            started_at=candidate.started_at or now,
        )
        if not won:
            return None
        fence = candidate.fence + 1
        Attempt.objects.create(
            tenant_id=candidate.tenant_id, transcription_id=candidate.id, fence=fence, worker=worker, started_at=now
        )
    return Claim(candidate.tenant_id, candidate.recording_id, candidate.id, fence)


def _is_at_cap(tenant_id: UUID) -> bool:
    """Whether the tenant runs all it may. Its quota's row is locked, so that two claims count one after the other."""
    limit = Quota.objects.select_for_update().values_list("concurrent", flat=True).get(tenant_id=tenant_id)
    return Transcription.objects.filter(tenant_id=tenant_id, status=Status.RUNNING).count() >= limit


def lease() -> timedelta:
    return timedelta(seconds=settings.LEASE_SECONDS)


def _mine(claim: Claim) -> QuerySet[Transcription]:
    """The claimed row, as long as the claim holds."""
    return Transcription.objects.filter(
        id=claim.transcription_id, status=Status.RUNNING, fence=claim.fence, lease_until__gt=timezone.now()
    )


def save_window(claim: Claim, segments: list[Segment], saved_seconds: float, language: str) -> int:
    """Saves a window's segments and renews the lease; the new event number. Raises LostClaim."""
    with transaction.atomic():
        won = _mine(claim).update(
            saved_seconds=saved_seconds,
            detected_language=language,
            lease_until=timezone.now() + lease(),
            sequence=F("sequence") + 1,
        )
        if not won:
            raise LostClaim
        Segment.objects.bulk_create(segments)
        return Transcription.objects.values_list("sequence", flat=True).get(id=claim.transcription_id)


def renew(claim: Claim) -> None:
    """Progress that is not text yet, such as a decoded minute. Raises LostClaim."""
    if not _mine(claim).update(lease_until=timezone.now() + lease()):
        raise LostClaim


def complete(claim: Claim, text: str, duration: float, peaks: list[int]) -> None:
    """The promise is kept: charges `duration` audio seconds, once. Raises LostClaim."""
    with transaction.atomic():
        row = _mine(claim).select_related("recording").first()
        now = timezone.now()
        if row is None or not _mine(claim).update(
            status=Status.COMPLETED,
            text=text,
            saved_seconds=duration,
            finished_at=now,
            processing_seconds=(now - (row.started_at or now)).total_seconds(),
            lease_until=None,
            sequence=F("sequence") + 1,
        ):
            raise LostClaim
        Recording.objects.filter(id=claim.recording_id).update(peaks=peaks, duration_seconds=round(duration, 3))
        if not quota.settle(claim.transcription_id, quota.billed_seconds(duration), row.recording.name):
            log.error("Transcription %s was completed without a reservation to settle.", claim.transcription_id)
        _end_attempt(claim, Attempt.Outcome.COMPLETED)
    _tell(claim)


def fail(claim: Claim, failure: Failure) -> None:
    """Queues another attempt where that may help, else ends with the reason. Raises LostClaim."""
    with transaction.atomic():
        row = _mine(claim).first()
        if row is None:
            raise LostClaim
        again = failure.may_succeed_later and row.attempts_made < MOST_ATTEMPTS
        if again:
            won = _requeue(_mine(claim), delay=retry_delay(row.attempts_made))
        else:
            won = _end(_mine(claim), Status.FAILED, failure)
        if not won:
            raise LostClaim
        if not again:
            quota.release(claim.transcription_id)
        _end_attempt(claim, Attempt.Outcome.FAILED, failure.detail)
    _tell(claim)


def hand_back(claim: Claim) -> None:
    """The worker must stop: another one goes on at once, and no attempt is counted."""
    with transaction.atomic():
        rows = Transcription.objects.filter(id=claim.transcription_id, status=Status.RUNNING, fence=claim.fence)
        if not _requeue(rows, delay=0.0, attempts_made=F("attempts_made") - 1):
            return
        _end_attempt(claim, Attempt.Outcome.HANDED_BACK)
    _tell(claim)


def hand_back_all_of(worker_prefix: str) -> int:
    """Hands back what the workers of a gpuworker that stops were doing; how many."""
    with scope.across_tenants("a gpuworker serves every tenant"):
        rows = Transcription.objects.filter(status=Status.RUNNING, worker__startswith=worker_prefix)
        claims = [_claim_of(row) for row in rows]
        for left in claims:
            hand_back(left)
    return len(claims)


def lose_all_of(worker_prefix: str) -> int:
    """Ends at once, as lost, the attempts of a gpuworker that crashed; how many."""
    with scope.across_tenants("a gpuworker serves every tenant"):
        running = Transcription.objects.filter(status=Status.RUNNING, worker__startswith=worker_prefix)
        running.update(lease_until=timezone.now())
    return expire_leases()


def expire_leases() -> int:
    """Ends attempts that showed no progress within their lease; how many."""
    with scope.across_tenants("the sweeper serves every tenant"):
        rows = Transcription.objects.filter(status=Status.RUNNING, lease_until__lte=timezone.now())
        return sum(_expire(row) for row in rows)


def _expire(row: Transcription) -> bool:
    claim = _claim_of(row)
    failure = Failure.lost_worker()
    with transaction.atomic():
        expired = Transcription.objects.filter(
            id=row.id, status=Status.RUNNING, fence=row.fence, lease_until__lte=timezone.now()
        )
        if row.attempts_made < MOST_ATTEMPTS:
            won = _requeue(expired, delay=0.0)
        else:
            won = _end(expired, Status.FAILED, failure)
            if won:
                quota.release(row.id)
        if won:
            _end_attempt(claim, Attempt.Outcome.LOST, failure.detail)
    if won:
        _tell(claim)
    return bool(won)


def cancel(row: Transcription) -> bool:
    """Stops a waiting or running transcription, charging nothing; False when it was over already."""
    with transaction.atomic():
        rows = Transcription.objects.filter(id=row.id, status__in=(Status.QUEUED, Status.RUNNING))
        if not _end(rows, Status.CANCELLED, None):
            return False
        quota.release(row.id)
        Attempt.objects.filter(transcription_id=row.id, outcome=Attempt.Outcome.RUNNING).update(
            outcome=Attempt.Outcome.CANCELLED, finished_at=timezone.now()
        )
    _tell(_claim_of(row))
    return True


def retry_delay(attempts_made: int) -> float:
    """Seconds to wait after the given number of attempts, ± 20 % so that failures don't march in step."""
    base = RETRY_DELAYS_SECONDS[min(attempts_made, len(RETRY_DELAYS_SECONDS)) - 1]
    return base * random.uniform(1 - RETRY_JITTER, 1 + RETRY_JITTER)  # noqa: S311 - no secret


def _requeue(rows: QuerySet[Transcription], delay: float, **changes: object) -> int:
    return rows.update(
        status=Status.QUEUED,
        lease_until=None,
        worker="",
        not_before=timezone.now() + timedelta(seconds=delay),
        sequence=F("sequence") + 1,
        **changes,
    )


def _end(rows: QuerySet[Transcription], status: str, failure: Failure | None) -> int:
    return rows.update(
        status=status,
        lease_until=None,
        finished_at=timezone.now(),
        error_code=failure.code if failure else "",
        error_message=failure.detail if failure else "",
        sequence=F("sequence") + 1,
    )


def _end_attempt(claim: Claim, outcome: str, error: str = "") -> None:
    Attempt.objects.filter(transcription_id=claim.transcription_id, fence=claim.fence).update(
        outcome=outcome, finished_at=timezone.now(), error=error
    )


def _claim_of(row: Transcription) -> Claim:
    return Claim(row.tenant_id, row.recording_id, row.id, row.fence)


def _tell(claim: Claim) -> None:
    """After the commit: watchers read again, and a slot may be free for the tenant's next one."""

    def tell() -> None:
        progress.changed(claim.tenant_id, claim.recording_id, claim.transcription_id)
        queue.ring_for_waiting(_first_waiting_lane(claim.tenant_id))

    transaction.on_commit(tell, robust=True)


def _first_waiting_lane(tenant_id: UUID) -> int | None:
    with scope.bound(tenant_id):
        due = Transcription.objects.filter(Q(status=Status.QUEUED), not_before__lte=timezone.now())
        return due.order_by("lane").values_list("lane", flat=True).first()

"""What becomes of a transcription: with claiming the only place where its status changes.

Every function is one short transaction; a change is a compare-and-swap that counts its rows, and the loser
returns quietly or raises LostClaim. Watchers are told after the commit.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from tenants import database_clock, quota, scope
from transcription import request_id, search, tenant_lock
from transcription.errors import Failure
from transcription.models import Attempt, Recording, Segment, Status, TenantSchedule, Transcription
from transcription.queue import claims, fairness, progress, wakeups
from transcription.queue.claims import Claim, LostClaim, held, lease
from transcription.segments import bounds
from transcription.webhooks import events

log = logging.getLogger(__name__)
MOST_ATTEMPTS = 3
RETRY_DELAYS_SECONDS = (10, 60, 300)
RETRY_JITTER = 0.2
MOST_ABANDONED = 10
BATCH = 500


def save_window(
    claim: Claim,
    segments: list[Segment],
    saved_seconds: float,
    language: str,
    model_version: str = "",
    resume: dict[str, Any] | None = None,
    heard_languages: dict[str, float] | None = None,
    decoded_seconds: float | None = None,
) -> int:
    """Saves a window's segments and renews the lease; the new event number. Raises LostClaim.

    `saved_seconds` is the window's end; `resume` what another attempt needs to go on from there;
    `heard_languages` the seconds of text by language so far. The segments' times are brought into what is known of
    the recording: `decoded_seconds`, or without them up to the window's end.

    Failed attempts are counted from the last progress on. Saving a window again, because nobody knows whether
    the first time was committed, changes nothing.
    """
    _bring_within(claim, segments, saved_seconds if decoded_seconds is None else decoded_seconds)
    with transaction.atomic():
        won = (
            held(claim)
            .filter(saved_seconds__lt=saved_seconds)
            .update(
                saved_seconds=saved_seconds,
                detected_language=language,
                heard_languages=heard_languages or {},
                model_version=model_version,
                resume=resume or {},
                lease_until=Now() + lease(),
                attempts_made=1,
                sequence=F("sequence") + 1,
            )
        )
        if won:
            Segment.objects.bulk_create(segments)
        row = held(claim).filter(saved_seconds=saved_seconds).first()
        if row is None:
            raise LostClaim
        return row.sequence


def _bring_within(claim: Claim, segments: list[Segment], latest: float) -> None:
    if not segments:
        return
    earlier = Segment.objects.filter(transcription_id=claim.transcription_id, index__lt=segments[0].index)
    start = earlier.order_by("-index").values_list("start", flat=True).first()
    bounds.bring_within(segments, start or 0.0, latest)


def renew(claim: Claim) -> None:
    """Progress that is not text yet, such as a decoded minute. Raises LostClaim."""
    if not held(claim).update(lease_until=Now() + lease()):
        raise LostClaim


def extend(claim: Claim, seconds: int) -> None:
    """The recording proves longer than it said: `seconds` are held in all. Raises LostClaim and QuotaExceeded."""
    with transaction.atomic():
        if held(claim).select_for_update().first() is None:
            raise LostClaim
        quota.extend(claim.transcription_id, seconds)


def complete(claim: Claim, text: str, duration: float, peaks: list[int], warnings: Sequence[str] = ()) -> None:
    """The promise is kept: charges `duration` audio seconds, once. Raises LostClaim.

    `warnings` are codes that the reader of the text is told (transcription.media.warnings).
    """
    with transaction.atomic():
        row = held(claim).select_related("recording").first()
        now = database_clock.now()
        if row is None or not held(claim).update(
            status=Status.COMPLETED,
            text=text,
            warnings=list(warnings),
            saved_seconds=duration,
            resume={"mode": row.resume["mode"]} if "mode" in row.resume else {},
            finished_at=now,
            processing_seconds=(now - (row.started_at or now)).total_seconds(),
            lease_until=None,
            sequence=F("sequence") + 1,
        ):
            raise LostClaim
        Recording.objects.filter(id=claim.recording_id).update(peaks=peaks, duration_seconds=round(duration, 3))
        search.note(claim.recording_id)
        if not quota.settle(claim.transcription_id, quota.billed_seconds(duration), row.recording.name):
            log.error("Transcription %s was completed without a reservation to settle.", claim.transcription_id)
        _end_attempt(claim, Attempt.Outcome.COMPLETED)
        _announce(claim, Status.COMPLETED, "", warnings)
    _tell(claim)


def fail(claim: Claim, failure: Failure) -> None:
    """Queues another attempt where that may help, else ends with the reason. Raises LostClaim."""
    with transaction.atomic():
        schedule = tenant_lock.lock(claim.tenant_id)
        row = held(claim).select_for_update().first()
        if row is None:
            raise LostClaim
        if failure.may_succeed_later and row.attempts_made < MOST_ATTEMPTS:
            won = _requeue(schedule, row, held(claim), delay=retry_delay(row.attempts_made))
        else:
            won = _give_up(row, held(claim), failure)
        if not won:
            raise LostClaim
        _end_attempt(claim, Attempt.Outcome.FAILED, failure.detail)
    _tell(claim)


def hand_back(claim: Claim, delay: float = 0.0) -> None:
    """The worker must stop, or can't begin: another one goes on after `delay` seconds, and no attempt is counted."""
    with transaction.atomic():
        schedule = tenant_lock.lock(claim.tenant_id)
        rows = Transcription.objects.filter(id=claim.transcription_id, status=Status.RUNNING, fence=claim.fence)
        row = rows.select_for_update().first()
        if row is None or not _requeue(schedule, row, rows, delay, attempts_made=F("attempts_made") - 1):
            return
        fairness.give_back(schedule, row)
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


def abandon_all_of(worker_prefix: str) -> int:
    """Ends at once the attempts of a machine or a worker that went away; how many.

    What died had not touched the recordings, so none of them is suspected; only one that was there each of
    MOST_ABANDONED times is.
    """
    with scope.across_tenants("a gpuworker serves every tenant"):
        rows = list(Transcription.objects.filter(status=Status.RUNNING, worker__startswith=worker_prefix))
        return sum(_lose(row, Attempt.Outcome.ABANDONED, Q(), _delay_after(_abandoned(row))) for row in rows)


def lose(worker: str) -> int:
    """Ends the attempt of a worker process that was seen to die; 1, or 0 without one.

    Its recording may be why, so each death counts; but nothing says that waiting longer helps.
    """
    with scope.across_tenants("a worker serves every tenant"):
        rows = list(Transcription.objects.filter(status=Status.RUNNING, worker=worker))
        return sum(_lose(row, Attempt.Outcome.LOST, Q(), retry_delay(1)) for row in rows)


def expire_leases() -> int:
    """Ends attempts that showed no progress within their lease; how many. The lease was delay enough."""
    with scope.across_tenants("the sweeper serves every tenant"):
        expired = Q(lease_until__lte=Now())
        rows = list(Transcription.objects.filter(expired, status=Status.RUNNING))
        return sum(_lose(row, Attempt.Outcome.LOST, expired, delay=0.0) for row in rows)


def _lose(seen: Transcription, outcome: str, only: Q, delay: float) -> bool:
    claim = _claim_of(seen)
    with transaction.atomic():
        schedule = tenant_lock.lock(seen.tenant_id)
        rows = Transcription.objects.filter(only, id=seen.id, status=Status.RUNNING, fence=seen.fence)
        row = rows.select_for_update().first()
        if row is None:
            return False
        failure = Failure.abandoned() if outcome == Attempt.Outcome.ABANDONED else Failure.lost_worker()
        if _is_suspect(row, outcome):
            won = _give_up(row, rows, failure)
        elif outcome == Attempt.Outcome.ABANDONED:
            won = _requeue(schedule, row, rows, delay, attempts_made=F("attempts_made") - 1)
            fairness.give_back(schedule, row)
        else:
            won = _requeue(schedule, row, rows, delay)
        if not won:
            return False
        _end_attempt(claim, outcome, failure.detail, row.saved_seconds)
    _tell(claim)
    return True


def _is_suspect(row: Transcription, outcome: str) -> bool:
    if outcome != Attempt.Outcome.ABANDONED:
        return row.attempts_made >= MOST_ATTEMPTS
    return _abandoned(row) + 1 >= MOST_ABANDONED


def _abandoned(row: Transcription) -> int:
    """How often it was abandoned where it stands now."""
    return row.attempts.filter(outcome=Attempt.Outcome.ABANDONED, reached_seconds__gte=row.saved_seconds).count()


def _delay_after(abandoned: int) -> float:
    """At once the first time; a machine that comes and goes is not followed at its pace."""
    return retry_delay(1) if abandoned else 0.0


def cancel(row: Transcription, only: Q = Q()) -> bool:  # noqa: B008 - nobody changes it
    """Stops a waiting or running transcription, charging nothing; False when it was over already, or not `only`."""
    with transaction.atomic():
        schedule = tenant_lock.lock(row.tenant_id)
        rows = Transcription.objects.filter(only, id=row.id, status__in=(Status.QUEUED, Status.RUNNING))
        now = rows.select_for_update().first()
        if now is None or not _end(rows, Status.CANCELLED, None):
            return False
        if now.status == Status.QUEUED:
            fairness.leave(schedule, now)
        _charge_nothing(row)
        Attempt.objects.filter(transcription_id=row.id, outcome=Attempt.Outcome.RUNNING).update(
            outcome=Attempt.Outcome.CANCELLED, finished_at=Now()
        )
        _announce(_claim_of(row), Status.CANCELLED)
    _tell(_claim_of(row))
    return True


def retry_delay(attempts_made: int) -> float:
    """Seconds to wait after the given number of attempts, ± 20 % so that failures don't march in step."""
    base = RETRY_DELAYS_SECONDS[min(attempts_made, len(RETRY_DELAYS_SECONDS)) - 1]
    return base * random.uniform(1 - RETRY_JITTER, 1 + RETRY_JITTER)  # noqa: S311 - no secret


def _requeue(
    schedule: TenantSchedule, row: Transcription, rows: QuerySet[Transcription], delay: float, **changes: object
) -> int:
    row.not_before = database_clock.now() + timedelta(seconds=delay)
    won = rows.update(
        status=Status.QUEUED,
        lease_until=None,
        worker="",
        not_before=row.not_before,
        sequence=F("sequence") + 1,
        **changes,
    )
    if won:
        fairness.enter(schedule, row)
    return won


def _give_up(row: Transcription, rows: QuerySet[Transcription], failure: Failure) -> int:
    won = _end(rows, Status.FAILED, failure)
    if won:
        _charge_nothing(row)
        _announce(_claim_of(row), Status.FAILED, failure.code)
    return won


def _charge_nothing(row: Transcription) -> None:
    """What is not paid for is not kept: neither the reservation nor the text so far."""
    quota.release(row.id)
    Segment.objects.filter(transcription_id=row.id).delete()


def _end(rows: QuerySet[Transcription], status: str, failure: Failure | None) -> int:
    return rows.update(
        status=status,
        lease_until=None,
        finished_at=Now(),
        error_code=failure.code if failure else "",
        error_message=failure.detail if failure else "",
        sequence=F("sequence") + 1,
    )


def _end_attempt(claim: Claim, outcome: str, error: str = "", reached: float = 0.0) -> None:
    Attempt.objects.filter(transcription_id=claim.transcription_id, fence=claim.fence).update(
        outcome=outcome, finished_at=Now(), error=error, reached_seconds=reached
    )


def _claim_of(row: Transcription) -> Claim:
    return Claim(row.tenant_id, row.recording_id, row.id, row.fence, row.request_id)


def _announce(claim: Claim, status: str, error_code: str = "", warnings: Sequence[str] = ()) -> None:
    """For webhooks, in the transaction that ends it: what is told and what is so are one."""
    ids = (claim.tenant_id, claim.recording_id, claim.transcription_id)
    with request_id.bound(claim.request_id):
        events.transcription_ended(*ids, status, error_code, warnings)


def _tell(claim: Claim) -> None:
    """After the commit: watchers read again, and a slot may be free for the tenant's next one."""

    def tell() -> None:
        progress.changed(claim.tenant_id, claim.recording_id, claim.transcription_id)
        wakeups.wake_once(claims.next_lane())

    transaction.on_commit(tell, robust=True)


def insert_completed(row: Transcription, segments: Sequence[Segment]) -> None:
    """Inserts a transcription that is complete from the start: nothing was worked on or charged.

    Call inside the accepting transaction, with the tenant's schedule locked.
    """
    row.status = Status.COMPLETED
    row.started_at = row.finished_at = database_clock.now()
    row.processing_seconds = 0.0
    row.save(force_insert=True)
    Segment.objects.bulk_create(segments, BATCH)
    _announce(_claim_of(row), Status.COMPLETED, "", row.warnings)
    search.note(row.recording_id)
    _tell(_claim_of(row))

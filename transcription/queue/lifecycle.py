"""How claimed and waiting transcriptions go on and end. Only this module and `claims` change a status.

Every function is one short transaction, whose UPDATE is conditional on what it found. Watchers are told after the
commit.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from tenants import database_clock, quota, scope
from transcription import leases, request_id, search, stage_times, tenant_lock
from transcription.errors import Failure
from transcription.leases import LostClaim
from transcription.lookout import Lookout
from transcription.models import (
    Attempt,
    DiarizationCheckpoint,
    KnownSpeaker,
    Loudness,
    Recording,
    Segment,
    Speaker,
    Stage,
    Status,
    TenantSchedule,
    Transcription,
)
from transcription.queue import claims, fairness, progress, statistics, wakeups
from transcription.queue.claims import Claim, lease_duration, row_under_lease
from transcription.segments import bounds
from transcription.stopwatch import Measured
from transcription.strikes import other_texts
from transcription.webhooks import events

log = logging.getLogger(__name__)
MOST_ATTEMPTS = 3
BACKOFF = leases.Backoff((10, 60, 300))
MOST_ABANDONED = 10
BATCH = 500
Stages = Mapping[str, Measured]
"""What a worker measured of its attempt, by Stage."""
NOT_MEASURED: Stages = {}


class Speakers(NamedTuple):
    """Who says what: unsaved speakers, and all segments as they are divided between them."""

    speakers: list[Speaker]
    segments: list[Segment]

    @property
    def texts(self) -> list[str]:
        return [segment.text for segment in self.segments]


def save_window(
    claim: Claim,
    segments: list[Segment],
    saved_seconds: float,
    language: str,
    model_version: str = "",
    resume: dict[str, Any] | None = None,
    heard_languages: dict[str, float] | None = None,
    missed_speech: Sequence[tuple[float, float]] = (),
    decoded_seconds: float | None = None,
    doubtful_words: float = 0.0,
) -> int:
    """Saves a window's segments and renews the lease. Returns the new event number. Raises LostClaim.

    `saved_seconds` is the window's end; `resume` is what another attempt needs to go on from there;
    `heard_languages` are the seconds of text by language, `missed_speech` the stretches of speech without text so far,
    `doubtful_words` how many words so far are probably wrong.
    The segments' times are brought within `decoded_seconds`, by default within the window's end.

    The count of failed attempts starts again. Saving a window twice, because the answer to the first commit was lost,
    changes nothing.
    """
    _bring_within(claim, segments, saved_seconds if decoded_seconds is None else decoded_seconds)
    with transaction.atomic():
        won = (
            row_under_lease(claim)
            .filter(saved_seconds__lt=saved_seconds)
            .update(
                saved_seconds=saved_seconds,
                detected_language=language,
                heard_languages=heard_languages or {},
                missed_speech=list(missed_speech),
                doubtful_words=doubtful_words,
                model_version=model_version,
                resume=resume or {},
                lease_until=Now() + lease_duration(),
                attempts_made=1,
                sequence=F("sequence") + 1,
            )
        )
        if won:
            Segment.objects.bulk_create(segments)
        return leases.read(row_under_lease(claim).filter(saved_seconds=saved_seconds)).sequence


def _bring_within(claim: Claim, segments: list[Segment], latest: float) -> None:
    if not segments:
        return
    earlier = Segment.objects.filter(transcription_id=claim.id, index__lt=segments[0].index)
    start = earlier.order_by("-index").values_list("start", flat=True).first()
    bounds.clamp_segments(segments, start or 0.0, latest)


def renew(claim: Claim) -> None:
    """Renews the lease on progress that is not text yet, such as a decoded minute. Raises LostClaim."""
    leases.write(row_under_lease(claim), lease_until=Now() + lease_duration())


def save_checkpoints(claim: Claim, first: int, checkpoints: Sequence[bytes]) -> None:
    """Saves what the search for speakers goes on from, numbered from `first`. Raises LostClaim.

    Saving the same ones twice changes nothing.
    """
    rows = [
        DiarizationCheckpoint(tenant_id=claim.tenant_id, transcription_id=claim.id, number=first + number, data=data)
        for number, data in enumerate(checkpoints)
    ]
    with transaction.atomic():
        leases.read(row_under_lease(claim).select_for_update())
        DiarizationCheckpoint.objects.bulk_create(rows, BATCH, ignore_conflicts=True)


def begin_finding_speakers(claim: Claim) -> None:
    """Notes that the text is there and speakers are awaited, and tells watchers. Raises LostClaim."""
    changes = {"finding_speakers": True, "sequence": F("sequence") + 1, "lease_until": Now() + lease_duration()}
    leases.write(row_under_lease(claim), **changes)
    progress.announce_change(claim.tenant_id, claim.recording_id, claim.id)


def extend(claim: Claim, seconds: int) -> None:
    """Reserves `seconds` in all for a recording longer than it said. Raises LostClaim and QuotaExceeded."""
    with transaction.atomic():
        leases.read(row_under_lease(claim).select_for_update())
        quota.extend(claim.id, seconds)


def complete(
    claim: Claim,
    text: str,
    duration: float,
    peaks: list[int],
    warnings: Sequence[str] = (),
    speakers: Speakers | None = None,
    speakers_error: str = "",
    correct: Callable[[Transcription], None] | None = None,
    loudness: bytes = b"",
    stages: Stages = NOT_MEASURED,
) -> None:
    """Completes the transcription and charges `duration` audio seconds, once. Raises LostClaim.

    `warnings` are codes that readers of the text are told (transcription.media.warnings). `speakers`, where they were
    found, replace the segments. `speakers_error` says to operators why they were not.
    `loudness` is the recording's, block by block.
    `correct` gets the completed row in the same transaction, before its text is seen by anybody.
    """
    with transaction.atomic():
        row = leases.read(row_under_lease(claim).select_related("recording", "tenant"))
        now = database_clock.now()
        leases.write(
            row_under_lease(claim),
            status=Status.COMPLETED,
            text=text,
            warnings=list(warnings),
            saved_seconds=duration,
            resume={"mode": row.resume["mode"]} if "mode" in row.resume else {},
            finished_at=now,
            processing_seconds=(now - (row.started_at or now)).total_seconds(),
            lease_until=None,
            finding_speakers=False,
            speakers_error=speakers_error,
            sequence=F("sequence") + 1,
        )
        if speakers is not None:
            _replace_segments(claim, speakers)
        _forget_voices(claim.id)
        if row.is_main:
            Recording.objects.filter(id=claim.recording_id).update(
                peaks=peaks, duration_seconds=round(duration, 3), changed_at=now
            )
            if loudness:
                kept = {"tenant_id": claim.tenant_id, "blocks": loudness}
                Loudness.objects.update_or_create(recording_id=claim.recording_id, defaults=kept)
        if correct is not None:
            row.status, row.text = Status.COMPLETED, text
            correct(row)
        other_texts.hide_in(row)
        search.index_recording(claim.recording_id)
        if not quota.settle(claim.id, quota.billed_seconds(duration), row.recording.name):
            log.error("Transcription %s was completed without a reservation to settle.", claim.id)
        _end_attempt(claim, Attempt.Outcome.COMPLETED, stages=stages)
        statistics.count_seconds(row, now)
        stage_times.count(_times_of(row, now, stages), now)
        _announce(row, Status.COMPLETED, "", warnings)
    _tell(claim)


def _times_of(row: Transcription, now: datetime, stages: Stages) -> dict[str, float]:
    """Returns the seconds of each stage that is known of a transcription that is completed now."""
    measured = {name: stage.seconds for name, stage in stages.items()}
    waited, whole = (row.started_at or now) - row.created_at, now - row.created_at
    return {
        **row.intake_seconds,
        Stage.QUEUE: waited.total_seconds(),
        **measured,
        Stage.WHOLE: whole.total_seconds() + sum(row.intake_seconds.values()),
    }


def _replace_segments(claim: Claim, found: Speakers) -> None:
    for model in (Segment, Speaker):
        model.objects.filter(transcription_id=claim.id).delete()
    Segment.objects.bulk_create(found.segments, BATCH)
    Speaker.objects.bulk_create(found.speakers, BATCH)


def _forget_voices(transcription_id: UUID) -> None:
    """Deletes what was kept of people's voices while speakers were told apart."""
    for model in (DiarizationCheckpoint, KnownSpeaker):
        model.objects.filter(transcription_id=transcription_id).delete()


def fail(claim: Claim, failure: Failure, stages: Stages = NOT_MEASURED) -> None:
    """Queues another attempt where that may help, else ends the transcription. Raises LostClaim."""
    with _locked(row_under_lease(claim), claim) as (schedule, row):
        if failure.may_succeed_later and row.attempts_made < MOST_ATTEMPTS:
            _requeue(schedule, row, row_under_lease(claim), BACKOFF.after(row.attempts_made))
        else:
            _give_up(row, row_under_lease(claim), failure)
        _end_attempt(claim, Attempt.Outcome.FAILED, failure.detail, stages=stages)
    _tell(claim)


def hand_back(claim: Claim, delay: float = 0.0, stages: Stages = NOT_MEASURED) -> None:
    """Queues the transcription again after `delay` seconds, without counting an attempt.

    For a worker that must stop, or can't begin. Does nothing if the claim was lost.
    """
    rows = _running(claim)
    with suppress(LostClaim):
        with _locked(rows, claim) as (schedule, row):
            _requeue(schedule, row, rows, delay, attempts_made=F("attempts_made") - 1)
            fairness.give_back(schedule, row)
            _end_attempt(claim, Attempt.Outcome.HANDED_BACK, stages=stages)
        _tell(claim)


def hand_back_all_of(worker_prefix: str) -> int:
    """Hands back what the workers of a gpuworker that stops were doing. Returns how many."""
    with scope.across_tenants("a gpuworker serves every tenant"):
        rows = list(Transcription.objects.filter(status=Status.RUNNING, worker__startswith=worker_prefix))
        for row in rows:
            hand_back(Claim.of(row))
    return len(rows)


def abandon_all_of(worker_prefix: str) -> int:
    """Ends at once the attempts of a machine or a worker that went away. Returns how many.

    What died had not touched the recordings, so none of them is suspected of having caused it, unless it was there
    each of MOST_ABANDONED times.
    """
    with scope.across_tenants("a gpuworker serves every tenant"):
        rows = list(Transcription.objects.filter(status=Status.RUNNING, worker__startswith=worker_prefix))
        return sum(_lose(row, Attempt.Outcome.ABANDONED, Q(), _delay_after(_abandoned(row))) for row in rows)


def lose_attempt_of(worker: str) -> int:
    """Ends the attempt of a worker process that was seen to die. Returns 1, or 0 if it had none.

    Its recording may be the cause, so each death counts as a failed attempt; waiting longer after more of them is not
    known to help.
    """
    with scope.across_tenants("a worker serves every tenant"):
        rows = list(Transcription.objects.filter(status=Status.RUNNING, worker=worker))
        return sum(_lose(row, Attempt.Outcome.LOST, Q(), BACKOFF.after(1)) for row in rows)


def expire_leases() -> int:
    """Ends attempts that showed no progress within their lease. Returns how many. The lease was delay enough."""
    with scope.across_tenants("the sweeper serves every tenant"):
        return sum(_lose(row, Attempt.Outcome.LOST, _EXPIRED, delay=0.0) for row in list(_expired()))


_EXPIRED = Q(lease_until__lte=Now())


def _expired() -> QuerySet[Transcription]:
    return Transcription.objects.filter(_EXPIRED, status=Status.RUNNING)


EXPIRED = Lookout(_expired)


def _lose(seen: Transcription, outcome: str, only: Q, delay: float) -> bool:
    """Queues another attempt after `delay` seconds, or ends a suspect. Returns False if the row changed meanwhile."""
    claim = Claim.of(seen)
    rows = _running(claim).filter(only)
    is_abandoned = outcome == Attempt.Outcome.ABANDONED
    failure = Failure.abandoned() if is_abandoned else Failure.lost_worker()
    with suppress(LostClaim):
        with _locked(rows, claim) as (schedule, row):
            if _is_suspect(row, outcome):
                _give_up(row, rows, failure)
            elif is_abandoned:
                _requeue(schedule, row, rows, delay, attempts_made=F("attempts_made") - 1)
                fairness.give_back(schedule, row)
            else:
                _requeue(schedule, row, rows, delay)
            _end_attempt(claim, outcome, failure.detail, row.saved_seconds)
        _tell(claim)
        return True
    return False


def _is_suspect(row: Transcription, outcome: str) -> bool:
    if outcome != Attempt.Outcome.ABANDONED:
        return row.attempts_made >= MOST_ATTEMPTS
    return _abandoned(row) + 1 >= MOST_ABANDONED


def _abandoned(row: Transcription) -> int:
    """Returns how often the transcription was abandoned at the progress it has now."""
    return row.attempts.filter(outcome=Attempt.Outcome.ABANDONED, reached_seconds__gte=row.saved_seconds).count()


def _delay_after(abandoned: int) -> float:
    """Returns the seconds to wait: none the first time, then some, for a machine that comes and goes."""
    return BACKOFF.after(1) if abandoned else 0.0


def cancel(row: Transcription, only: Q = Q()) -> bool:  # noqa: B008 - nobody changes it
    """Stops a queued or running transcription and charges nothing.

    Returns False if it was over already, or is not `only`.
    """
    claim = Claim.of(row)
    rows = Transcription.objects.filter(only, id=row.id, status__in=(Status.QUEUED, Status.RUNNING))
    with suppress(LostClaim):
        with _locked(rows, claim) as (schedule, now):
            _end(rows, Status.CANCELLED, None)
            if now.status == Status.QUEUED:
                fairness.leave(schedule, now)
            _charge_nothing(row)
            Attempt.objects.filter(transcription_id=row.id, outcome=Attempt.Outcome.RUNNING).update(
                outcome=Attempt.Outcome.CANCELLED, finished_at=Now()
            )
            _announce(row, Status.CANCELLED)
        _tell(claim)
        return True
    return False


def move(row: Transcription, lane: int) -> bool:
    """Puts a waiting transcription into another lane. Returns False if it waits no more, or is there already."""
    claim = Claim.of(row)
    rows = Transcription.objects.filter(id=row.id, status=Status.QUEUED).exclude(lane=lane)
    with suppress(LostClaim):
        with _locked(rows, claim) as (schedule, moved):
            before, moved.lane = moved.lane, lane
            fairness.enter(schedule, moved)
            leases.write(rows, lane=lane, sequence=F("sequence") + 1)
            moved.lane = before
            fairness.leave(schedule, moved)
            wakeups.wake_on_commit(lane)
        _tell(claim)
        return True
    return False


@contextmanager
def _locked(rows: QuerySet[Transcription], claim: Claim) -> Iterator[tuple[TenantSchedule, Transcription]]:
    """Opens a transaction and locks the tenant, then the row that `rows` selects.

    Raises LostClaim if it selects none.
    """
    with transaction.atomic():
        schedule = tenant_lock.lock(claim.tenant_id)
        yield schedule, leases.read(rows.select_for_update())


def _running(claim: Claim) -> QuerySet[Transcription]:
    """Selects the claimed row, whether or not its lease has expired."""
    return leases.claimed(Transcription.objects.filter(status=Status.RUNNING), claim)


def _requeue(
    schedule: TenantSchedule, row: Transcription, rows: QuerySet[Transcription], delay: float, **changes: object
) -> None:
    row.not_before = database_clock.now() + timedelta(seconds=delay)
    leases.write(
        rows,
        status=Status.QUEUED,
        lease_until=None,
        worker="",
        finding_speakers=False,
        not_before=row.not_before,
        sequence=F("sequence") + 1,
        **changes,
    )
    fairness.enter(schedule, row)


def _give_up(row: Transcription, rows: QuerySet[Transcription], failure: Failure) -> None:
    _end(rows, Status.FAILED, failure)
    _charge_nothing(row)
    _announce(row, Status.FAILED, failure.code)


def _charge_nothing(row: Transcription) -> None:
    """Releases the reservation and deletes the text so far, which nobody pays for."""
    quota.release(row.id)
    Segment.objects.filter(transcription_id=row.id).delete()
    _forget_voices(row.id)


def _end(rows: QuerySet[Transcription], status: str, failure: Failure | None) -> None:
    leases.write(
        rows,
        status=status,
        lease_until=None,
        finding_speakers=False,
        finished_at=Now(),
        error_code=failure.code if failure else "",
        error_message=failure.detail if failure else "",
        sequence=F("sequence") + 1,
    )


def _end_attempt(
    claim: Claim, outcome: str, error: str = "", reached: float = 0.0, stages: Stages = NOT_MEASURED
) -> None:
    Attempt.objects.filter(transcription_id=claim.id, fence=claim.fence).update(
        outcome=outcome, finished_at=Now(), error=error, reached_seconds=reached, stages=dict(stages)
    )


def _announce(row: Transcription, status: str, error_code: str = "", warnings: Sequence[str] = ()) -> None:
    """Counts the end and records the event for webhooks, in the transaction that ends the transcription.

    A rehearing is told to nobody: who asked for it watches it.
    """
    statistics.count_ended(row, status)
    if row.rehears_id is None:
        with request_id.bound(row.request_id):
            events.transcription_ended(row.tenant_id, row.recording_id, row.id, status, error_code, warnings)


def _tell(claim: Claim) -> None:
    """Tells watchers after the commit, and wakes a worker: the tenant may now run its next transcription."""

    def tell() -> None:
        progress.announce_change(claim.tenant_id, claim.recording_id, claim.id)
        wakeups.wake_once(claims.next_lane())

    transaction.on_commit(tell, robust=True)


def insert_completed(row: Transcription, segments: Sequence[Segment], speakers: Sequence[Speaker] = ()) -> None:
    """Inserts a transcription that is complete from the start and charges nothing.

    Call in the accepting transaction, with the tenant locked.
    """
    row.status = Status.COMPLETED
    row.started_at = row.finished_at = database_clock.now()
    row.processing_seconds = 0.0
    row.save(force_insert=True)
    Segment.objects.bulk_create(segments, BATCH)
    Speaker.objects.bulk_create(speakers, BATCH)
    _announce(row, Status.COMPLETED, "", row.warnings)
    Recording.note_change(row.recording_id)
    other_texts.hide_in(row)
    search.index_recording(row.recording_id)
    _tell(Claim.of(row))

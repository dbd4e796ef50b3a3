from datetime import timedelta
from pathlib import Path

import pytest
from django.db.models import QuerySet
from django.utils import timezone

from tenants import quota, scope
from tenants.models import LedgerEntry, Quota, Reservation, Role, UsageMonth
from tenants.quota import QuotaExceeded
from tests.conftest import Character, create_member, create_tenant
from tests.transcription.characters import submit
from transcription.errors import Failure, reason_for_people
from transcription.intake import accept
from transcription.leases import LostClaim
from transcription.models import Attempt, Loudness, Recording, Segment, Status, TenantSchedule, Transcription
from transcription.options.options import TranscriptionOptions
from transcription.queue import claims, eta, fairness, lifecycle

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("within")]
BROKEN = Failure("engine", "it broke")


@pytest.fixture
def waiting(alice: Character, fox: Path) -> Transcription:
    return submit(alice.actor, fox)


def claimed() -> claims.Claim:
    claim = claims.claim("host/1")
    assert claim is not None
    return claim


def segment(claim: claims.Claim, index: int = 0) -> Segment:
    return Segment(
        tenant_id=claim.tenant_id, transcription_id=claim.transcription_id, index=index, start=0, end=1, text=" Hi."
    )


def pass_time(row: Transcription, **changes: object) -> None:
    Transcription.objects.filter(id=row.id).update(**changes)


def make_due(row: Transcription) -> None:
    pass_time(row, not_before=timezone.now())
    fairness.correct(row.tenant_id, row.lane)


def test_one_worker_wins_a_claim(waiting: Transcription) -> None:
    assert claims.claim("host/1") is not None
    assert claims.claim("host/2") is None
    waiting.refresh_from_db()
    assert (waiting.status, waiting.attempts_made, waiting.worker) == (Status.RUNNING, 1, "host/1")


def test_completing_charges_once(waiting: Transcription) -> None:
    claim = claimed()
    lifecycle.save_window(claim, [segment(claim)], 3.8, "en")
    lifecycle.complete(claim, "Hi.", 3.85, [1, 2], loudness=b"loud")
    assert Recording.objects.get().changed_at is not None
    with pytest.raises(LostClaim):
        lifecycle.complete(claim, "Hi.", 3.85, [1, 2])
    waiting.refresh_from_db()
    assert (waiting.status, waiting.text, waiting.percent) == (Status.COMPLETED, "Hi.", 100)
    assert bytes(Loudness.objects.get(recording=waiting.recording_id).blocks) == b"loud"
    assert LedgerEntry.objects.get().seconds == 4
    assert UsageMonth.objects.get().reserved_seconds == 0


def test_a_failure_is_tried_three_times_and_then_costs_nothing(waiting: Transcription) -> None:
    for attempt in (1, 2, 3):
        lifecycle.fail(claimed(), BROKEN)
        waiting.refresh_from_db()
        assert waiting.attempts_made == attempt
        assert waiting.status == (Status.FAILED if attempt == 3 else Status.QUEUED)
        if attempt < 3:
            assert claims.claim("host/1") is None, "the next attempt comes after a delay"
            make_due(waiting)
    assert Reservation.objects.get().state == Reservation.State.RELEASED
    assert UsageMonth.objects.get().used_seconds == 0
    assert Attempt.objects.filter(outcome=Attempt.Outcome.FAILED, error="it broke").count() == 3


def test_what_cannot_succeed_is_not_tried_again(waiting: Transcription) -> None:
    lifecycle.fail(claimed(), Failure("not_media", ""))
    waiting.refresh_from_db()
    assert (waiting.status, waiting.attempts_made) == (Status.FAILED, 1)


def test_an_expired_lease_goes_to_another_worker_which_goes_on(waiting: Transcription) -> None:
    zombie = claimed()
    lifecycle.save_window(zombie, [segment(zombie)], 2.0, "en")
    pass_time(waiting, lease_until=timezone.now() - timedelta(seconds=1))
    assert lifecycle.expire_leases() == 1
    assert lifecycle.expire_leases() == 0
    next_claim = claimed()
    for stale_write in (
        lambda: lifecycle.save_window(zombie, [segment(zombie, 1)], 3.0, "en"),
        lambda: lifecycle.complete(zombie, "Stale", 3.85, []),
        lambda: lifecycle.fail(zombie, BROKEN),
        lambda: lifecycle.renew(zombie),
    ):
        with pytest.raises(LostClaim):
            stale_write()
    waiting.refresh_from_db()
    assert (waiting.saved_seconds, waiting.segments.count()) == (2.0, 1)
    lifecycle.complete(next_claim, "Hi.", 3.85, [])


def test_a_handed_back_transcription_counts_no_attempt(waiting: Transcription) -> None:
    claimed()
    assert lifecycle.hand_back_all_of("host/") == 1
    waiting.refresh_from_db()
    assert (waiting.status, waiting.attempts_made) == (Status.QUEUED, 0)
    assert claims.claim("host/2") is not None


def test_cancelling_charges_nothing_and_stops_the_worker(waiting: Transcription) -> None:
    claim = claimed()
    assert lifecycle.cancel(waiting)
    assert not lifecycle.cancel(waiting)
    with pytest.raises(LostClaim):
        lifecycle.save_window(claim, [], 1.0, "en")
    assert Reservation.objects.get().state == Reservation.State.RELEASED


def test_a_tenant_runs_no_more_at_once_than_its_quota(alice: Character, mallory: Character, fox: Path) -> None:
    Quota.objects.filter(tenant=alice.tenant).update(concurrent=1)
    first, second = submit(alice.actor, fox), submit(alice.actor, fox)
    assert claimed().transcription_id == first.id
    assert claims.claim("host/2") is None
    assert lifecycle.cancel(first)
    assert claimed().transcription_id == second.id


def test_a_lost_claim_releases_nothing(waiting: Transcription, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between reading the row and changing it, the lease may expire."""
    claim = claimed()
    requeue = lifecycle._requeue

    def expire_first(schedule: TenantSchedule, row: Transcription, rows: QuerySet[Transcription], delay: float) -> None:
        pass_time(waiting, lease_until=timezone.now() - timedelta(minutes=5))
        requeue(schedule, row, rows, delay)

    monkeypatch.setattr(lifecycle, "_requeue", expire_first)
    with pytest.raises(LostClaim):
        lifecycle.fail(claim, BROKEN)
    assert Reservation.objects.get().state == Reservation.State.HELD


def test_a_file_that_kills_its_worker_three_times_fails_for_free(waiting: Transcription) -> None:
    for attempt in (1, 2, 3):
        claimed()
        assert lifecycle.lose_attempt_of("host/1") == 1
        waiting.refresh_from_db()
        assert waiting.attempts_made == attempt
        assert claims.claim("host/2") is None, "the next attempt comes after a delay"
        make_due(waiting)
    assert (waiting.status, waiting.error_code) == (Status.FAILED, "lost_worker")
    assert "three times" in reason_for_people(waiting.error_code)
    assert UsageMonth.objects.get().reserved_seconds == 0
    assert not LedgerEntry.objects.exists()


def test_attempts_that_got_further_are_not_held_against_a_recording(waiting: Transcription) -> None:
    for step in range(1, 5):
        claim = claimed()
        lifecycle.save_window(claim, [segment(claim, step)], step / 2, "en")
        assert lifecycle.lose_attempt_of("host/1") == 1
        make_due(waiting)
    waiting.refresh_from_db()
    assert (waiting.status, waiting.attempts_made, waiting.saved_seconds) == (Status.QUEUED, 1, 2.0)


def test_a_machine_that_went_away_is_not_held_against_its_recordings(waiting: Transcription) -> None:
    for crash in range(lifecycle.MOST_ABANDONED - 1):
        claimed()
        assert lifecycle.abandon_all_of("host/") == 1
        if crash:
            assert claims.claim("host/2") is None, "from the second time on there is a delay"
            make_due(waiting)
    waiting.refresh_from_db()
    assert (waiting.status, waiting.attempts_made) == (Status.QUEUED, 0)
    claimed()
    assert lifecycle.abandon_all_of("host/") == 1
    waiting.refresh_from_db()
    assert waiting.status == Status.FAILED, "unless it was there every time"


def test_being_abandoned_counts_from_the_last_progress_too(waiting: Transcription) -> None:
    for step in range(1, lifecycle.MOST_ABANDONED + 3):
        claim = claimed()
        lifecycle.save_window(claim, [segment(claim, step)], step / 10, "en")
        assert lifecycle.abandon_all_of("host/") == 1
        make_due(waiting)
    waiting.refresh_from_db()
    assert (waiting.status, waiting.attempts_made) == (Status.QUEUED, 0)


def test_what_is_not_charged_leaves_no_text_behind(waiting: Transcription) -> None:
    claim = claimed()
    lifecycle.save_window(claim, [segment(claim)], 3.0, "en")
    assert lifecycle.cancel(waiting)
    assert not waiting.segments.exists()


def test_a_zombie_reserves_nothing(waiting: Transcription) -> None:
    claim = claimed()
    lifecycle.cancel(waiting)
    with pytest.raises(LostClaim):
        lifecycle.extend(claim, 60)


def test_a_recording_that_proved_longer_is_charged_for_every_transcription(
    alice: Character, waiting: Transcription, fox: Path
) -> None:
    """The second one reserved what the recording said before the first one was done."""
    Quota.objects.filter(tenant=alice.tenant).update(monthly_seconds=90)
    second = accept.transcribe_again(alice.actor, waiting.recording, TranscriptionOptions.checked(prompt="Once more"))
    first_claim, second_claim = claimed(), claimed()
    lifecycle.extend(first_claim, 50)
    lifecycle.complete(first_claim, "Long.", 50.0, [])
    with pytest.raises(QuotaExceeded):
        lifecycle.complete(second_claim, "Long.", 50.0, [])
    assert quota.held_seconds(second.id) == 3
    assert UsageMonth.objects.get().used_seconds == 50


def test_tenants_that_may_run_nothing_hold_nobody_up(alice: Character, fox: Path) -> None:
    for number in range(12):
        paused = create_member(
            create_tenant(f"Paused {number}", concurrent=0), f"paused{number}@example.com", Role.OWNER
        )
        with scope.bound(paused.tenant.id):
            row = submit(paused.actor, fox)
            assert eta.estimate(row).eta_seconds is None
    mine = submit(alice.actor, fox)
    assert claimed().transcription_id == mine.id


def test_a_window_saved_again_after_a_lost_answer_is_there_once(waiting: Transcription) -> None:
    claim = claimed()
    first = lifecycle.save_window(claim, [segment(claim)], 2.0, "en")
    assert lifecycle.save_window(claim, [segment(claim)], 2.0, "en") == first
    assert waiting.segments.count() == 1


@pytest.mark.parametrize(("made", "seconds"), [(1, 10), (2, 60), (3, 300)])
def test_delays_between_attempts_grow_and_vary(made: int, seconds: float) -> None:
    delays = {lifecycle.BACKOFF.after(made) for _ in range(50)}
    assert all(0.8 * seconds <= delay <= 1.2 * seconds for delay in delays)
    assert len(delays) > 10

"""Whatever happens to transcriptions, in whatever order, the account adds up."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.db.models import Sum
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from tenants import quota, scope
from tenants.access import Actor, key_actor
from tenants.models import ApiKey, LedgerEntry, Reservation, UsageMonth
from tenants.quota import QuotaExceeded
from tests.conftest import create_tenant
from transcription.errors import Failure, Refused
from transcription.intake import accept
from transcription.leases import LostClaim
from transcription.models import Lane, LaneBacklog, Recording, Status, Transcription
from transcription.options.options import TranscriptionOptions
from transcription.queue import claims, fairness, lifecycle
from transcription.queue.claims import Claim

LIMIT = 120
OPTIONS = TranscriptionOptions.checked()


class Account(RuleBasedStateMachine):
    """One tenant with two minutes a month, and everything that may happen to its transcriptions."""

    claims = Bundle("claims")
    zombies = Bundle("zombies")

    def __init__(self) -> None:
        super().__init__()
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        self.tenant = create_tenant("Acme", monthly_seconds=LIMIT, concurrent=3)
        self.bound = scope.bound(self.tenant.id)
        self.bound.__enter__()
        self.actor: Actor = key_actor(ApiKey(tenant=self.tenant), "")
        self.charged: dict[Any, int] = {}

    def teardown(self) -> None:
        self.bound.__exit__(None, None, None)
        transaction.set_rollback(True)
        self.atomic.__exit__(None, None, None)

    @rule(seconds=st.integers(1, 60))
    def submit(self, seconds: int) -> None:
        recording = Recording.objects.create(
            tenant=self.tenant, name="Board", bytes=1, duration_seconds=float(seconds), format="wav"
        )
        left = quota.snapshot(self.tenant).left_seconds
        try:
            accept.transcribe_again(self.actor, recording, OPTIONS)
            assert seconds <= left
        except Refused:
            assert seconds > left

    @rule(target=claims)
    def claim(self) -> Any:
        Transcription.objects.filter(status=Status.QUEUED).update(not_before=timezone.now())
        for lane in Lane.values:
            fairness.correct(self.tenant.id, lane)
        claimed = claims.claim("host/1")
        return claimed if claimed is not None else multiple()

    @rule(claim=claims)
    def progress(self, claim: Claim) -> None:
        with_claim(claim, lambda: lifecycle.save_window(claim, [], 1.0, "en"))

    @rule(claim=claims, seconds=st.integers(1, 90))
    def proves_longer(self, claim: Claim, seconds: int) -> None:
        if holds(claim):
            try:
                quota.extend(claim.transcription_id, seconds)
            except QuotaExceeded:
                lifecycle.fail(claim, Failure("quota", ""))

    @rule(target=zombies, claim=consumes(claims))
    def complete(self, claim: Claim) -> Claim:
        if holds(claim):
            seconds = Reservation.objects.get(transcription_id=claim.transcription_id).seconds
            lifecycle.complete(claim, "Text", float(seconds), [])
            self.charged[claim.transcription_id] = seconds
        return claim

    @rule(target=zombies, claim=consumes(claims), code=st.sampled_from(["engine", "not_media"]))
    def fail(self, claim: Claim, code: str) -> Claim:
        with_claim(claim, lambda: lifecycle.fail(claim, Failure(code, "")))
        return claim

    @rule(target=zombies, claim=consumes(claims))
    def expire(self, claim: Claim) -> Claim:
        past = timezone.now() - timedelta(seconds=1)
        Transcription.objects.filter(id=claim.transcription_id, status=Status.RUNNING).update(lease_until=past)
        lifecycle.expire_leases()
        return claim

    @rule(target=zombies, claim=consumes(claims))
    def hand_back(self, claim: Claim) -> Claim:
        lifecycle.hand_back(claim)
        return claim

    @rule(target=zombies, claim=consumes(claims))
    def is_abandoned(self, claim: Claim) -> Claim:
        if holds(claim):
            Transcription.objects.filter(id=claim.transcription_id).update(worker="host/gone")
            lifecycle.abandon_all_of("host/gone")
        return claim

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        rows = list(Transcription.objects.order_by("created_at", "id"))
        if rows:
            row = data.draw(st.sampled_from(range(len(rows))))
            assert lifecycle.cancel(rows[row]) == (not rows[row].is_over)

    @rule(zombie=zombies)
    def a_zombie_writes(self, zombie: Claim) -> None:
        for write in (
            lambda: lifecycle.save_window(zombie, [], 2.0, "en"),
            lambda: lifecycle.complete(zombie, "Stale", 60.0, []),
            lambda: lifecycle.fail(zombie, Failure("engine", "")),
        ):
            with pytest.raises(LostClaim):
                write()

    @invariant()
    def the_account_adds_up(self) -> None:
        usage = UsageMonth.objects.first()
        used, reserved = (usage.used_seconds, usage.reserved_seconds) if usage else (0, 0)
        held = Reservation.objects.filter(state=Reservation.State.HELD)
        assert dict(LedgerEntry.objects.values_list("transcription_id", "seconds")) == self.charged
        assert used == sum(self.charged.values())
        assert reserved == (held.aggregate(total=Sum("seconds"))["total"] or 0)
        assert used + reserved <= LIMIT

    @invariant()
    def the_backlogs_count_what_waits(self) -> None:
        waiting = Transcription.objects.filter(status=Status.QUEUED)
        counted = LaneBacklog.objects.filter(tenant=self.tenant).aggregate(
            n=Sum("waiting"), seconds=Sum("waiting_seconds")
        )
        assert (counted["n"] or 0) == waiting.count()
        assert (counted["seconds"] or 0.0) == pytest.approx(sum(fairness.left_seconds(row) for row in waiting))

    @invariant()
    def only_unfinished_work_holds_anything(self) -> None:
        held = set(Reservation.objects.filter(state=Reservation.State.HELD).values_list("transcription_id", flat=True))
        open_work = Transcription.objects.filter(status__in=(Status.QUEUED, Status.RUNNING))
        assert held == set(open_work.values_list("id", flat=True))


def holds(claim: Claim) -> bool:
    return Transcription.objects.filter(id=claim.transcription_id, status=Status.RUNNING, fence=claim.fence).exists()


def with_claim(claim: Claim, write: Any) -> None:
    """The write succeeds exactly where the claim still holds."""
    if holds(claim):
        write()
    else:
        with pytest.raises(LostClaim):
            write()


@pytest.mark.django_db
def test_the_account_adds_up_whatever_happens() -> None:
    few = settings(
        max_examples=12,
        stateful_step_count=30,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    run_state_machine_as_test(Account, settings=few)

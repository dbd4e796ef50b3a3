"""Who is served next, on the real queue with a simulated engine: see benchmarks.simulation."""

from __future__ import annotations

from uuid import UUID

import pytest

from benchmarks.simulation import backlog, customers
from tenants import scope
from tenants.models import Tenant
from transcription.models import Lane, LaneBacklog, TenantSchedule, Transcription
from transcription.queue import claims, fairness, lifecycle
from transcription.queue.claims import Claim

pytestmark = pytest.mark.django_db


def take(workers: int = 1, number: int = 0) -> Claim:
    claim = claims.claim(f"host/{number}.1", fairness.lanes_of(number, workers))
    assert claim is not None
    return claim


def finish(claim: Claim, seconds: float) -> None:
    with scope.bound(claim.tenant_id):
        lifecycle.complete(claim, "Text", seconds, [])


def served_in_turn(count: int) -> list[UUID]:
    """Whose recordings one worker does, one after the other."""
    owners = []
    for _ in range(count):
        claim = take()
        owners.append(claim.tenant_id)
        finish(claim, 600)
    return owners


def test_a_memo_behind_ten_thousand_recordings_starts_with_the_next_free_worker() -> None:
    acme, corner_shop = customers(2)
    backlog(acme, count=10_000, seconds=3600)
    running = [take(workers=4, number=number) for number in (1, 2, 3)]
    backlog(corner_shop, count=1, seconds=120)
    finish(running[0], 3600)
    assert take(workers=4, number=1).tenant_id == corner_shop.id


def test_ten_recordings_behind_a_thousand_wait_about_a_slot_each() -> None:
    acme, corner_shop = customers(2)
    backlog(acme, count=1000, seconds=600)
    for _ in range(5):
        finish(take(), 600)
    backlog(corner_shop, count=10, seconds=600)
    owners = served_in_turn(21)
    places = [place for place, owner in enumerate(owners) if owner == corner_shop.id]
    assert len(places) == 10
    assert all(place <= 2 * (number + 1) for number, place in enumerate(places))


def test_who_idled_has_saved_nothing_up() -> None:
    busy, idle = customers(2)
    backlog(busy, count=100, seconds=600)
    for _ in range(20):
        finish(take(), 600)
    backlog(idle, count=100, seconds=600)
    assert served_in_turn(10).count(idle.id) in (5, 6)


def test_room_is_kept_for_people_who_wait() -> None:
    (acme,) = customers(1)
    backlog(acme, count=100, seconds=3600)
    assert [take(workers=4, number=number) for number in (1, 2, 3)]
    assert claims.claim("host/0.1", fairness.lanes_of(0, 4)) is None
    backlog(acme, count=1, seconds=30, lane=Lane.INTERACTIVE)
    assert take(workers=4, number=0)


def test_within_a_tenant_the_lane_counts_and_then_who_came_first() -> None:
    (acme,) = customers(1)
    for lane in (Lane.BULK, Lane.STANDARD, Lane.INTERACTIVE):
        backlog(acme, count=1, seconds=60, lane=lane)
    lanes = []
    for _ in range(3):
        claim = take()
        with scope.bound(acme.id):
            lanes.append(Transcription.objects.get(id=claim.transcription_id).lane)
        finish(claim, 60)
    assert lanes == [Lane.INTERACTIVE, Lane.STANDARD, Lane.BULK]


def test_a_tenant_at_its_cap_does_not_block_the_others() -> None:
    capped, other = customers(2, concurrent=1)
    backlog(capped, count=10, seconds=600)
    take()
    assert claims.claim("host/1.1") is None
    backlog(other, count=1, seconds=600)
    assert take().tenant_id == other.id


def test_a_line_that_was_miscounted_is_corrected() -> None:
    (acme,) = customers(1)
    backlog(acme, count=3, seconds=60)
    LaneBacklog.objects.filter(tenant=acme, lane=Lane.STANDARD).update(waiting=7)
    assert fairness.correct_all() == 1
    assert LaneBacklog.objects.get(tenant=acme, lane=Lane.STANDARD).waiting == 3
    assert fairness.correct_all() == 0


def test_an_inactive_tenant_waits(acme: Tenant) -> None:
    (sleeping,) = customers(1)
    backlog(sleeping, count=1, seconds=60)
    Tenant.objects.filter(id=sleeping.id).update(is_active=False)
    assert claims.claim("host/0.1") is None
    assert TenantSchedule.objects.get(tenant=sleeping).virtual_time == 0.0

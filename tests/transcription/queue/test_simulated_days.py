"""Simulated days of a busy installation: who is served how much, and whether the ETA held."""

from __future__ import annotations

import pytest

from benchmarks.simulation import HOUR, Arrival, Day, backlog, busy_day, customers, jain
from tenants.models import Quota
from transcription.models import Lane

pytestmark = pytest.mark.django_db


def test_ten_tenants_with_unequal_backlogs_are_given_the_same() -> None:
    tenants = customers(10)
    for number, tenant in enumerate(tenants):
        backlog(tenant, count=20 * (number + 1), seconds=60 + 30 * (number % 7))
    day = Day(tenants)
    day.run([Arrival(0, 0, 60)], until=200)
    served = [day.served[tenant.id] for tenant in tenants]
    assert jain(served) >= 0.95
    assert min(served) > 0


def test_twice_the_share_is_twice_the_audio() -> None:
    greedy, modest = customers(2)
    Quota.objects.filter(tenant=greedy).update(share=2)
    for tenant in (greedy, modest):
        backlog(tenant, count=80, seconds=60)
    day = Day([greedy, modest])
    day.run([Arrival(0, 0, 60)], until=100)
    assert day.served[greedy.id] / day.served[modest.id] == pytest.approx(2, rel=0.1)


def test_bulk_of_one_tenant_gives_way_to_what_others_wait_for() -> None:
    archive, newsroom = customers(2)
    backlog(archive, count=100, seconds=600, lane=Lane.BULK)
    backlog(newsroom, count=100, seconds=600)
    day = Day([archive, newsroom])
    day.run([Arrival(0, 1, 60)], until=900)
    assert day.served[newsroom.id] > 2 * day.served[archive.id] > 0


def test_a_busy_day_keeps_its_word() -> None:
    """At the median, the ETA given on entering the queue is within 30 % of what happened."""
    day = Day(customers(12, concurrent=4))
    day.run(busy_day(12, hours=1, load=1.0, seed=7))
    told = [promise for promise in day.told if promise.eta is not None]
    errors = sorted(abs(promise.eta - promise.done) / promise.done for promise in told if promise.eta is not None)
    assert len(told) > 50
    assert max(promise.waited for promise in told) > HOUR / 4, "somebody had to wait"
    assert errors[len(errors) // 2] <= 0.30

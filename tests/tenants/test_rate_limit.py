"""Requests a minute: a full minute's worth at once, then as they leak away."""

from __future__ import annotations

from functools import partial

import pytest
from pytest_django.fixtures import DjangoAssertNumQueries

from tenants import rate_limit
from tenants.models import Tenant
from tenants.rate_limit import TooManyRequests
from tests.conftest import create_tenant
from tests.race import race

NOON = 1_795_348_800.0


def taken(tenant: Tenant, times: int, now: float = NOON) -> int:
    """How many of so many requests at one moment are let in."""
    count = 0
    for _ in range(times):
        try:
            rate_limit.take(tenant, now)
        except TooManyRequests:
            continue
        count += 1
    return count


@pytest.mark.django_db
class TestOneTenant:
    @pytest.mark.parametrize("limit", [1, 7, 60, 601])
    def test_from_idle_a_whole_minute_may_come_at_once(self, limit: int) -> None:
        assert taken(create_tenant("Acme", requests_per_minute=limit), limit + 3) == limit

    def test_room_comes_back_evenly(self) -> None:
        acme = create_tenant("Acme", requests_per_minute=60)
        assert taken(acme, 70) == 60
        assert taken(acme, 5, NOON + 1) == 1
        assert taken(acme, 5, NOON + 4) == 3
        assert taken(acme, 100, NOON + 3600) == 60, "idleness saves no more than a minute"

    def test_the_refusal_says_when_to_come_again(self) -> None:
        acme = create_tenant("Acme", requests_per_minute=30)
        taken(acme, 30)
        with pytest.raises(TooManyRequests) as refusal:
            rate_limit.take(acme, NOON + 0.5)
        assert refusal.value.retry_after == pytest.approx(1.5, abs=0.001)
        assert (refusal.value.limit, refusal.value.whole_seconds) == (30, 2)
        rate_limit.take(acme, NOON + 0.5 + refusal.value.retry_after)

    def test_one_who_asks_on_and_on_is_not_punished_for_it(self) -> None:
        acme = create_tenant("Acme", requests_per_minute=6)
        taken(acme, 6)
        assert taken(acme, 1000, NOON + 9) == 0
        assert taken(acme, 2, NOON + 10) == 1

    def test_each_tenant_has_its_own(self) -> None:
        acme, evil = create_tenant("Acme", requests_per_minute=2), create_tenant("Evil", requests_per_minute=2)
        assert taken(acme, 5) == 2
        assert taken(evil, 5) == 2

    def test_a_clock_that_is_behind_lets_nobody_in_twice(self) -> None:
        acme = create_tenant("Acme", requests_per_minute=10)
        assert taken(acme, 10) == 10
        assert taken(acme, 10, NOON - 30) == 0

    def test_it_costs_one_query(self, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        acme = create_tenant("Acme")
        rate_limit.take(acme)
        with django_assert_num_queries(1):
            rate_limit.take(acme)


@pytest.mark.django_db(transaction=True)
def test_of_five_hundred_at_once_exactly_the_limit_is_let_in() -> None:
    acme = create_tenant("Acme", requests_per_minute=100)

    def ask() -> bool:
        return taken(acme, 1) == 1

    assert race(500, ask) == 100


@pytest.mark.django_db(transaction=True)
def test_a_tenants_very_first_requests_are_all_let_in_however_many_come_at_once() -> None:
    def ask(newcomer: Tenant) -> bool:
        return taken(newcomer, 1) == 1

    for number in range(5):
        assert race(20, partial(ask, create_tenant(f"Newcomer {number}", requests_per_minute=100))) == 20

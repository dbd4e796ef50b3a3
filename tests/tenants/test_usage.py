"""What a month's seconds went on."""

from __future__ import annotations

import uuid
from datetime import date

import pytest
import time_machine
from django.db import transaction
from pytest_django.fixtures import DjangoAssertNumQueries

from tenants import quota, scope, usage
from tenants.models import ApiKey, LedgerEntry
from tests.conftest import Character

pytestmark = pytest.mark.django_db
NOVEMBER = date(2026, 11, 1)


def charge(who: Character, seconds: int, accepted: str, finished: str = "", with_key: bool = False) -> None:
    """A recording of so many seconds, accepted and finished at these times, by a member or with their key."""
    work = uuid.uuid4()
    with scope.bound(who.tenant.id):
        key = ApiKey.objects.get(created_by=who.user) if with_key else None
        with time_machine.travel(accepted, tick=False), transaction.atomic():
            quota.reserve(who.tenant, work, seconds, None if key else who.user, key)
        with time_machine.travel(finished or accepted, tick=False):
            assert quota.settle(work, seconds, f"Recording of {who.user}")


@pytest.fixture(autouse=True)
def bound(within: None) -> None:
    """Acme is looked at."""


def test_each_day_of_the_month_is_there(alice: Character) -> None:
    charge(alice, 60, "2026-11-03T00:00:00Z")
    charge(alice, 5, "2026-11-03T23:59:59Z")
    charge(alice, 7, "2026-11-30T12:00:00Z")
    days = usage.by_day(alice.tenant, NOVEMBER)
    assert (len(days), days[0].day, days[-1].day) == (30, NOVEMBER, date(2026, 11, 30))
    assert {day.day.day: day.seconds for day in days if day.seconds} == {3: 65, 30: 7}


def test_what_is_finished_after_the_month_counts_on_its_last_day(alice: Character) -> None:
    charge(alice, 60, "2026-11-30T23:59:00Z", finished="2026-12-01T00:10:00Z")
    assert usage.by_day(alice.tenant, NOVEMBER)[-1].seconds == 60
    assert sum(day.seconds for day in usage.by_day(alice.tenant, date(2026, 12, 1))) == 0


def test_members_and_keys_add_up_to_the_month(alice: Character, bob: Character) -> None:
    charge(alice, 60, "2026-11-03T12:00:00Z")
    charge(bob, 100, "2026-11-04T12:00:00Z")
    charge(bob, 20, "2026-11-05T12:00:00Z")
    charge(bob, 500, "2026-11-06T12:00:00Z", with_key=True)
    charge(bob, 9, "2026-10-06T12:00:00Z")
    members, keys = usage.by_member(alice.tenant, NOVEMBER), usage.by_key(alice.tenant, NOVEMBER)
    assert [(one.member, one.count, one.seconds) for one in members] == [(bob.user, 2, 120), (alice.user, 1, 60)]
    assert [(str(one.key)[:7], one.count, one.seconds) for one in keys] == [("Key of ", 1, 500)]
    assert sum(one.seconds for one in (*members, *keys)) == sum(
        day.seconds for day in usage.by_day(alice.tenant, NOVEMBER)
    )


def test_a_member_who_is_gone_still_adds_up(alice: Character, bob: Character) -> None:
    charge(bob, 100, "2026-11-04T12:00:00Z")
    bob.user.delete()
    [one] = usage.by_member(alice.tenant, NOVEMBER)
    assert (one.member, one.key, one.seconds) == (None, None, 100)
    charge(alice, 1, "2026-11-03T12:00:00Z")
    assert [who.member for who in usage.by_member(alice.tenant, NOVEMBER)] == [alice.user, None]


def test_the_months_that_exist_and_this_one(alice: Character) -> None:
    charge(alice, 1, "2026-09-04T12:00:00Z")
    with time_machine.travel("2026-11-04T12:00:00Z", tick=False):
        assert usage.months(alice.tenant) == [NOVEMBER, date(2026, 9, 1)]


def test_others_charges_are_not_ours(alice: Character, mallory: Character) -> None:
    charge(mallory, 60, "2026-11-03T12:00:00Z")
    assert sum(day.seconds for day in usage.by_day(alice.tenant, NOVEMBER)) == 0
    assert list(usage.batches(usage.entries(alice.tenant))) == []


def test_the_whole_ledger_comes_in_batches_the_oldest_first(
    alice: Character, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    monkeypatch.setattr(usage, "BATCH", 3)
    for number in range(7):
        charge(alice, number + 1, f"2026-11-0{1 + number // 3}T12:00:00Z")
    with django_assert_num_queries(4):
        batches = list(usage.batches(usage.entries(alice.tenant)))
    assert [[entry.seconds for entry in batch] for batch in batches] == [[1, 2, 3], [4, 5, 6], [7]]
    assert LedgerEntry.objects.count() == 7

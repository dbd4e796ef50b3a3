"""Usage and ledger for programs: the same figures as on the page."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest
import time_machine
from django.test import Client
from pytest_django.fixtures import DjangoAssertNumQueries

from tenants import api_keys, quota, scope
from tests.conftest import Character
from tests.portal.api.characters import bearer

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def charge(who: Character, seconds: int, name: str = "Board meeting.mp3", with_key: bool = False) -> None:
    key = api_keys.authenticate(who.secret) if with_key else None
    with scope.bound(who.tenant.id):
        work = uuid4()
        quota.reserve(who.tenant, work, seconds, None if key else who.user, key.key if key else None)
        quota.settle(work, seconds, name)


@time_machine.travel(NOON, tick=False)
def test_usage_is_this_months_standing(alice: Character, client: Client) -> None:
    charge(alice, 90)
    with scope.bound(alice.tenant.id):
        quota.reserve(alice.tenant, uuid4(), 30, alice.user)
    body = client.get("/api/v1/usage", headers=bearer(alice, "read")).json()
    assert body["month"] == "2026-11"
    audio = body["audio_seconds"]
    assert (audio["used"], audio["reserved"], audio["limit"], audio["left"]) == (90, 30, 36_000, 36_000 - 120)
    assert audio["resets_at"] == "2026-12-01T00:00:00+00:00"
    assert body["stored_bytes"] == {"used": 0, "limit": 50 * 1024**3, "left": 50 * 1024**3}
    assert body["requests_per_minute"] == {"limit": 600, "remaining": 599}
    assert len(body["days"]) == 30
    assert body["days"][21] == {"day": "2026-11-22", "seconds": 90}
    assert sum(day["seconds"] for day in body["days"]) == 90


def test_the_ledger_is_paged_and_says_who(alice: Character, client: Client) -> None:
    charge(alice, 60)
    charge(alice, 30, "Call.mp3", with_key=True)
    headers = alice.bearer  # of the key that was charged
    first = client.get("/api/v1/ledger?limit=1", headers=headers).json()
    second = client.get(first["next"], headers=headers).json()
    assert second["next"] is None
    by_key, by_member = first["results"][0], second["results"][0]
    assert (by_key["seconds"], by_key["description"], by_key["member"]) == (30, "Call.mp3", None)
    assert by_key["key"]["name"] == "Key of alice@acme.example"
    assert (by_member["seconds"], by_member["member"], by_member["key"]) == (60, "alice@acme.example", None)


def test_the_ledger_costs_the_same_however_long_it_is(
    alice: Character, client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(10):
        charge(alice, 1, with_key=number % 2 == 0)
    headers = bearer(alice, "read")
    client.get("/api/v1/usage", headers=headers)
    with django_assert_max_num_queries(3):
        assert len(client.get("/api/v1/ledger", headers=headers).json()["results"]) == 10


def test_the_ledger_of_a_month(alice: Character, client: Client) -> None:
    for months_ago, seconds in ((0, 10), (1, 20)):
        with time_machine.travel(NOON - timedelta(days=31 * months_ago), tick=False):
            charge(alice, seconds)
    headers = bearer(alice, "read")
    found = client.get("/api/v1/ledger?month=2026-10", headers=headers).json()["results"]
    assert [(row["month"], row["seconds"]) for row in found] == [("2026-10", 20)]
    assert client.get("/api/v1/ledger?month=2025-01", headers=headers).json()["results"] == []
    wrong = client.get("/api/v1/ledger?month=October", headers=headers)
    assert (wrong.status_code, wrong.json()["param"]) == (400, "month")


def test_another_tenants_charges_are_not_in_it(alice: Character, mallory: Character, client: Client) -> None:
    charge(alice, 60)
    headers = bearer(mallory, "read")
    assert client.get("/api/v1/ledger", headers=headers).json()["results"] == []
    usage = client.get("/api/v1/usage", headers=headers).json()
    assert usage["audio_seconds"]["used"] == 0
    assert date.fromisoformat(usage["days"][0]["day"]).day == 1

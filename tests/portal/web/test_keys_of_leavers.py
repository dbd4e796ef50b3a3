"""Owners see which keys were made by people who are gone, and decide what becomes of them."""

from __future__ import annotations

import pytest
from django.test import Client

from tenants import api_keys, scope
from tenants.models import ApiKey, AuditEntry, KeyScope, Member, Role
from tests.conftest import Character, create_member

pytestmark = pytest.mark.django_db


@pytest.fixture
def left(alice: Character) -> ApiKey:
    """A key of Adam's, who was removed by something that asked nobody."""
    adam = create_member(alice.tenant, "adam@acme.example", Role.ADMIN)
    Member.objects.filter(pk=adam.member.pk).delete()
    with scope.bound(alice.tenant.id):
        return ApiKey.objects.get(created_by=adam.user)


def test_such_a_key_is_marked_and_the_owner_is_asked(as_alice: Client, left: ApiKey) -> None:
    page = as_alice.get("/keys/").content.decode()
    assert page.count("no longer a member") == 1
    assert f"/keys/{left.id}/keep/" in page
    assert "Who made this key has left" in as_alice.get(f"/keys/{left.id}/").content.decode()


def test_keeping_it_ends_the_question_and_is_in_the_audit_log(as_alice: Client, left: ApiKey) -> None:
    assert as_alice.post(f"/keys/{left.id}/keep/").status_code == 302
    page = as_alice.get("/keys/").content.decode()
    assert "no longer a member" in page
    assert "/keep/" not in page
    as_alice.post(f"/keys/{left.id}/keep/")
    with scope.bound(left.tenant_id):
        entry = AuditEntry.objects.get(action="key.kept")
    assert entry.details["made_by"] == "adam@acme.example"


def test_a_key_of_somebody_who_is_there_can_not_be_kept(as_alice: Client, alice: Character) -> None:
    with scope.bound(alice.tenant.id):
        key = ApiKey.objects.get(created_by=alice.user)
    as_alice.post(f"/keys/{key.id}/keep/")
    key.refresh_from_db()
    assert key.kept_at is None


def test_a_new_secret_decides_it_too(alice: Character, left: ApiKey) -> None:
    with scope.bound(alice.tenant.id):
        made, _secret = api_keys.rotate(alice.actor, left.id)
        assert not made.is_left_behind
        assert made.maker == "gone"


def test_programs_are_told_as_well(alice: Character, left: ApiKey) -> None:
    _key, secret = api_keys.issue(alice.tenant, "Manager", alice.user, KeyScope.ADMIN)
    answer = Client().get("/api/v1/keys", headers={"authorization": f"Bearer {secret}"}).json()
    told = {key["created_by"]: key["creator_status"] for key in answer["results"]}
    assert told == {"adam@acme.example": "gone", "alice@acme.example": "member"}


@pytest.mark.parametrize("count", [1, 8])
def test_many_keys_take_no_more_queries(
    as_alice: Client, alice: Character, count: int, django_assert_max_num_queries: object
) -> None:
    for number in range(count):
        api_keys.issue(alice.tenant, f"Key {number}", alice.user)
    with django_assert_max_num_queries(12):  # type: ignore[operator]
        as_alice.get("/keys/")

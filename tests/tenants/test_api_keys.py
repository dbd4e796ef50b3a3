"""API keys at their doors: what they open, for how long, from where, and who may make them."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.utils import timezone
from pytest_django.fixtures import DjangoAssertNumQueries

from tenants import api_keys, scope
from tenants.access import SCOPES, Actor, InsufficientScope
from tenants.api_keys import Bearer, InvalidKey, KeyConflict, KeyRefused
from tenants.models import ApiKey, KeyScope
from tests.conftest import Character
from tests.race import race

pytestmark = pytest.mark.django_db
HERE = "203.0.113.9"


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(timezone.now(), tick=False) as traveller:
        yield traveller


def soon(**delta: float) -> datetime:
    return timezone.now() + timedelta(**delta)


def opened(secret: str, address: str = HERE) -> Actor:
    actor = api_keys.authenticate(secret, address)
    assert actor is not None
    return actor


def refusal(secret: str, address: str = HERE) -> str:
    with pytest.raises(KeyRefused) as refused:
        api_keys.authenticate(secret, address)
    return refused.value.code


def lasts(key: ApiKey, address: str | None = None) -> bool:
    """Whether what the key's secret has opened stays open."""
    return api_keys.actor_of(Bearer(key.id, key.prefix), address) is not None


class TestSecret:
    def test_opens_its_own_tenant(self, alice: Character) -> None:
        actor = opened(alice.secret)
        assert actor.tenant == alice.tenant
        assert actor.may("recordings.create")
        assert not actor.may("keys.manage")

    def test_is_not_kept(self, alice: Character, within: None) -> None:
        key = ApiKey.objects.get()
        api_keys.rotate(alice.actor, key.id)
        kept = " ".join(str(value) for value in ApiKey.objects.values().get().values())
        assert alice.secret not in kept
        assert alice.secret.split("_", 2)[2] not in kept

    @pytest.mark.parametrize(
        "spoil", [lambda s: s[:-1] + ("0" if s[-1] != "0" else "1"), lambda s: s + "0", lambda s: ""]
    )
    def test_mistyped_opens_nothing(self, alice: Character, spoil: Callable[[str], str]) -> None:
        assert api_keys.authenticate(spoil(alice.secret)) is None

    def test_mistyped_costs_no_query(self, db: None, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        with django_assert_num_queries(0):
            assert api_keys.authenticate("wp_deadbeef_" + "x" * 51) is None

    def test_in_use_costs_one_query(self, alice: Character, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        opened(alice.secret)
        with django_assert_num_queries(1):
            opened(alice.secret)

    def test_of_a_revoked_key_opens_nothing(self, alice: Character, within: None) -> None:
        key = ApiKey.objects.get()
        assert lasts(key)
        assert api_keys.revoke(alice.actor, key.id)
        assert not api_keys.revoke(alice.actor, key.id)
        assert api_keys.authenticate(alice.secret) is None
        assert not lasts(key)

    def test_of_a_switched_off_tenant_opens_nothing(self, alice: Character, within: None) -> None:
        alice.tenant.is_active = False
        alice.tenant.save()
        assert api_keys.authenticate(alice.secret) is None
        assert not lasts(ApiKey.objects.get())


class TestScope:
    @pytest.mark.parametrize(
        ("key_scope", "may", "may_not"),
        [
            ("read", {"recordings.view", "usage.view"}, {"recordings.create", "recordings.delete", "keys.manage"}),
            ("write", {"recordings.view", "recordings.create", "recordings.delete"}, {"keys.manage", "audit.view"}),
            ("admin", {"recordings.create", "keys.manage", "webhooks.manage", "audit.view"}, set()),
        ],
    )
    def test_says_what_a_key_may(
        self, key_scope: str, may: set[str], may_not: set[str], alice: Character, within: None
    ) -> None:
        _key, secret = api_keys.create(alice.actor, "x", key_scope)
        assert opened(secret).permissions >= may
        assert not opened(secret).permissions & may_not

    def test_each_includes_the_one_before(self) -> None:
        assert SCOPES[KeyScope.READ] < SCOPES[KeyScope.WRITE] < SCOPES[KeyScope.ADMIN]

    def test_that_is_too_narrow_names_the_one_that_is_needed(self, alice: Character, within: None) -> None:
        _key, secret = api_keys.create(alice.actor, "x", "read")
        for permission, needed in (("recordings.delete", "write"), ("audit.view", "admin")):
            with pytest.raises(InsufficientScope) as refused:
                opened(secret).require(permission)
            assert (refused.value.has, refused.value.needed) == ("read", needed)
            assert f"“{needed}”" in str(refused.value)


class TestExpiry:
    def test_is_a_moment(self, alice: Character, within: None, clock: time_machine.Traveller) -> None:
        key, secret = api_keys.create(alice.actor, "x", expires_at=soon(hours=1))
        clock.shift(timedelta(minutes=59, seconds=59))
        assert opened(secret)
        assert lasts(key)
        clock.shift(timedelta(seconds=1))
        assert refusal(secret) == "key_expired"
        assert not lasts(key)

    def test_may_be_put_off(self, alice: Character, within: None, clock: time_machine.Traveller) -> None:
        key, secret = api_keys.create(alice.actor, "x", expires_at=soon(hours=1))
        clock.shift(timedelta(hours=2))
        api_keys.change(alice.actor, key.id, {"expires_at": None})
        assert opened(secret)

    def test_is_not_told_to_who_has_no_secret(self, alice: Character, within: None) -> None:
        key, _secret = api_keys.create(alice.actor, "x", expires_at=soon(seconds=1))
        guess = f"wp_{key.prefix}_{'x' * 43}"
        with time_machine.travel(soon(hours=1)):
            assert api_keys.authenticate(guess + f"{zlib.crc32(guess.encode()):08x}") is None

    def test_in_the_past_is_refused(self, alice: Character, within: None) -> None:
        with pytest.raises(InvalidKey) as invalid:
            api_keys.create(alice.actor, "x", expires_at=soon(seconds=-1))
        assert invalid.value.field == "expires_at"


class TestAddresses:
    def test_let_in_their_own_only(self, alice: Character, within: None) -> None:
        key, secret = api_keys.create(alice.actor, "x", addresses=["203.0.113.0/24", "2001:db8::/32"])
        assert opened(secret, HERE)
        assert opened(secret, "2001:db8::7")
        assert refusal(secret, "198.51.100.7") == "address_not_allowed"
        assert refusal(secret, "") == "address_not_allowed"
        assert lasts(key, HERE)
        assert not lasts(key, "198.51.100.7")

    def test_are_not_told_to_who_comes_from_elsewhere(self, alice: Character, within: None) -> None:
        _key, secret = api_keys.create(alice.actor, "x", addresses=[HERE])
        with pytest.raises(KeyRefused) as refused:
            api_keys.authenticate(secret, "198.51.100.7")
        assert "198.51.100.7" in str(refused.value)
        assert HERE not in str(refused.value)

    def test_are_kept_once_and_in_one_spelling(self, alice: Character, within: None) -> None:
        key, _secret = api_keys.create(alice.actor, "x", addresses=["::ffff:203.0.113.9", HERE, "10.1.2.3/8"])
        assert ApiKey.objects.get(id=key.id).addresses == [HERE, "10.0.0.0/8"]

    @pytest.mark.parametrize("wrong", [["example.com"], [""], [f"10.0.0.{n}" for n in range(51)]])
    def test_that_make_no_sense_are_refused(self, wrong: list[str], alice: Character, within: None) -> None:
        with pytest.raises(InvalidKey) as invalid:
            api_keys.create(alice.actor, "x", addresses=wrong)
        assert invalid.value.field == "addresses"


class TestRotation:
    def test_leaves_two_secrets_live_until_the_grace_is_over(
        self, alice: Character, within: None, clock: time_machine.Traveller
    ) -> None:
        key = ApiKey.objects.get()
        rotated, new = api_keys.rotate(alice.actor, key.id)
        assert rotated.id == key.id
        assert opened(new).key == opened(alice.secret).key == key
        clock.shift(timedelta(hours=24))
        assert opened(new)
        assert refusal(alice.secret) == "secret_replaced"

    def test_may_be_ended_at_once(self, alice: Character, within: None) -> None:
        key = ApiKey.objects.get()
        _key, new = api_keys.rotate(alice.actor, key.id, timedelta(days=7))
        assert api_keys.end_old_secret(alice.actor, key.id)
        assert not api_keys.end_old_secret(alice.actor, key.id)
        assert refusal(alice.secret) == "secret_replaced"
        assert opened(new)
        assert not lasts(key), "what the old secret had opened ends with it"

    def test_without_a_grace_ends_the_old_one_at_once(self, alice: Character, within: None) -> None:
        _key, new = api_keys.rotate(alice.actor, ApiKey.objects.get().id, timedelta(0))
        assert refusal(alice.secret) == "secret_replaced"
        assert opened(new)

    def test_breaks_no_third_secret_silently(self, alice: Character, within: None) -> None:
        key = ApiKey.objects.get()
        _key, second = api_keys.rotate(alice.actor, key.id)
        with pytest.raises(KeyConflict) as conflict:
            api_keys.rotate(alice.actor, key.id)
        assert conflict.value.code == "rotation_under_way"
        assert opened(alice.secret)
        _key, third = api_keys.rotate(alice.actor, key.id, timedelta(0))
        assert opened(third)
        assert api_keys.authenticate(alice.secret, HERE) is None
        assert refusal(second) == "secret_replaced"

    def test_ends_with_the_key(self, alice: Character, within: None) -> None:
        key = ApiKey.objects.get()
        _key, new = api_keys.rotate(alice.actor, key.id)
        api_keys.revoke(alice.actor, key.id)
        assert api_keys.authenticate(alice.secret) is None
        assert api_keys.authenticate(new) is None
        with pytest.raises(KeyConflict):
            api_keys.rotate(alice.actor, key.id)

    def test_tells_whether_the_old_secret_is_still_used(self, alice: Character, within: None) -> None:
        key, new = api_keys.rotate(alice.actor, ApiKey.objects.get().id)
        assert (key.last_used_at, key.old_last_used_at) == (None, None)
        opened(alice.secret)
        key.refresh_from_db()
        assert key.last_used_at is None
        assert key.old_last_used_at is not None
        opened(new)
        key.refresh_from_db()
        assert key.last_used_at is not None

    @pytest.mark.parametrize("grace", [timedelta(seconds=-1), timedelta(days=7, seconds=1)])
    def test_has_a_grace_of_a_week_at_most(self, grace: timedelta, alice: Character, within: None) -> None:
        with pytest.raises(InvalidKey):
            api_keys.rotate(alice.actor, ApiKey.objects.get().id, grace)


@pytest.mark.django_db(transaction=True)
def test_of_many_that_rotate_one_key_at_once_one_wins(alice: Character) -> None:
    actor = alice.actor
    with scope.bound(alice.tenant.id):
        key = ApiKey.objects.get()

    def rotate() -> bool:
        with scope.bound(alice.tenant.id):
            try:
                api_keys.rotate(actor, key.id)
            except KeyConflict:
                return False
            return True

    assert race(20, rotate) == 1
    assert opened(alice.secret), "the one old secret is the one that was there before"


@pytest.mark.django_db(transaction=True)
def test_many_that_make_keys_at_once_pass_the_limit_none(alice: Character, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenants.api_keys.management.MAX_LIVE", 3)
    actor = alice.actor

    def make() -> bool:
        with scope.bound(alice.tenant.id):
            try:
                api_keys.create(actor, "One of many")
            except KeyConflict:
                return False
            return True

    assert race(8, make) == 2  # beside the one that was there


class TestManaging:
    def test_is_not_for_viewers(self, bob: Character, within: None) -> None:
        key = ApiKey.objects.get()
        doors: list[Callable[[], Any]] = [
            lambda: api_keys.keys(bob.actor),
            lambda: api_keys.create(bob.actor, "x"),
            lambda: api_keys.change(bob.actor, key.id, {"name": "y"}),
            lambda: api_keys.rotate(bob.actor, key.id),
            lambda: api_keys.end_old_secret(bob.actor, key.id),
            lambda: api_keys.revoke(bob.actor, key.id),
        ]
        for door in doors:
            with pytest.raises(PermissionDenied):
                door()

    def test_knows_nothing_of_another_tenant_s_keys(self, alice: Character, mallory: Character) -> None:
        with scope.bound(alice.tenant.id):
            key = ApiKey.objects.get()
        with scope.bound(mallory.tenant.id):
            assert key not in api_keys.keys(mallory.actor)
            for door in (api_keys.key, api_keys.rotate, api_keys.end_old_secret):
                with pytest.raises(Http404):
                    door(mallory.actor, key.id)
            with pytest.raises(Http404):
                api_keys.change(mallory.actor, key.id, {"name": "mine"})
            assert not api_keys.revoke(mallory.actor, key.id)
        assert opened(alice.secret)

    def test_ends_with_so_many_keys(self, alice: Character, within: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tenants.api_keys.management.MAX_LIVE", 2)
        key, _secret = api_keys.create(alice.actor, "second")
        with pytest.raises(KeyConflict) as conflict:
            api_keys.create(alice.actor, "third")
        assert conflict.value.code == "too_many_keys"
        api_keys.revoke(alice.actor, key.id)
        assert api_keys.create(alice.actor, "third")

    def test_changes_no_revoked_key(self, alice: Character, within: None) -> None:
        key = ApiKey.objects.get()
        api_keys.revoke(alice.actor, key.id)
        with pytest.raises(KeyConflict):
            api_keys.change(alice.actor, key.id, {"name": "new"})


class TestAKeyThatManagesKeys:
    def test_makes_as_much_as_it_is(self, alice: Character, within: None) -> None:
        _key, secret = api_keys.create(alice.actor, "admin", "admin")
        _key, made = api_keys.create(opened(secret), "another", "admin")
        assert opened(made).may("keys.manage")

    def test_gives_no_later_expiry_than_its_own(self, alice: Character, within: None) -> None:
        until = soon(days=1)
        own, secret = api_keys.create(alice.actor, "admin", "admin", expires_at=until)
        program = opened(secret)
        for later in (None, until + timedelta(seconds=1)):
            with pytest.raises(PermissionDenied):
                api_keys.create(program, "longer", expires_at=later)
            with pytest.raises(PermissionDenied):
                api_keys.change(program, own.id, {"expires_at": later})
        key, _secret = api_keys.create(program, "as long", expires_at=until)
        api_keys.change(program, key.id, {"name": "renamed"})

    def test_gives_no_other_addresses_than_its_own(self, alice: Character, within: None) -> None:
        own, secret = api_keys.create(alice.actor, "admin", "admin", addresses=["203.0.113.0/24"])
        program = opened(secret)
        for other in ([], ["198.51.100.7"], ["203.0.0.0/16"]):
            with pytest.raises(PermissionDenied):
                api_keys.create(program, "wider", addresses=other)
        with pytest.raises(PermissionDenied):
            api_keys.change(program, own.id, {"addresses": []})
        assert api_keys.create(program, "narrower", addresses=[HERE])

    def test_gets_no_secret_of_a_freer_key(self, alice: Character, within: None) -> None:
        free = ApiKey.objects.get()
        own, secret = api_keys.create(alice.actor, "admin", "admin", expires_at=soon(days=1))
        with pytest.raises(PermissionDenied):
            api_keys.rotate(opened(secret), free.id)
        assert api_keys.rotate(opened(secret), own.id)

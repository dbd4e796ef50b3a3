"""The audit log: written once, kept for so long, and silent about what nobody should read there."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone
from pytest_django.fixtures import DjangoAssertNumQueries

from tenants import api_keys, append_only, audit, scope
from tenants.access import EDIT, Actor, operator_actor
from tenants.append_only import AppendOnlyError
from tenants.audit import Filter
from tenants.models import ApiKey, AuditEntry, Tenant, User
from tests.conftest import Character

pytestmark = pytest.mark.django_db


def test_an_entry_says_who_did_what_to_which_object_from_where(alice: Character, within: None) -> None:
    key = ApiKey.objects.get()
    audit.record(api_keys.authenticate(alice.secret, "203.0.113.9") or alice.actor, "key.changed", key, fields=["name"])
    entry = AuditEntry.objects.get()
    assert (entry.actor_kind, entry.actor_id, entry.actor_name) == ("key", str(key.id), key.name)
    assert (entry.action, entry.object_type, entry.object_id) == ("key.changed", "apikey", str(key.id))
    assert (entry.address, entry.details) == ("203.0.113.9", {"fields": ["name"]})


def test_an_entry_costs_one_query(
    alice: Character, within: None, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    actor = alice.actor
    with django_assert_num_queries(1):
        audit.record(actor, "transcript.read")


def test_an_entry_outlives_who_it_speaks_of(alice: Character, within: None) -> None:
    audit.record(alice.actor, "transcript.read")
    User.objects.filter(pk=alice.user.pk).delete()
    assert AuditEntry.objects.get().actor_name == "alice@acme.example"


def test_what_is_undone_is_not_told(alice: Character, within: None) -> None:
    with transaction.atomic():
        audit.record(alice.actor, "key.created")
        transaction.set_rollback(True)
    assert not AuditEntry.objects.exists()


def test_an_entry_is_never_changed_and_never_deleted_by_hand(alice: Character, within: None) -> None:
    audit.record(alice.actor, "key.created")
    entry = AuditEntry.objects.get()
    entry.action = "key.revoked"
    for tamper in (
        entry.save,
        entry.delete,
        lambda: AuditEntry.objects.update(action="x.y"),
        lambda: AuditEntry.objects.filter(id=entry.pk).delete(),
        lambda: AuditEntry.objects.bulk_update([entry], ["action"]),
    ):
        with pytest.raises(AppendOnlyError):
            tamper()
    assert AuditEntry.objects.get().action == "key.created"


@pytest.mark.parametrize("detail", ["secret", "digest", "password", "text", "prompt", "hotwords"])
def test_what_nobody_should_read_there_is_refused(detail: str, alice: Character, within: None) -> None:
    with pytest.raises(ValueError, match=detail):
        audit.record(alice.actor, "key.created", None, **{detail: "x"})


def test_details_are_small_and_actions_have_one_form(alice: Character, within: None) -> None:
    with pytest.raises(ValueError, match="longer"):
        audit.record(alice.actor, "key.created", name="x" * 5000)
    for action in ("created", "Key.created", "key.", "key.created.twice"):
        with pytest.raises(ValueError, match="noun"):
            audit.record(alice.actor, action)


def test_each_tenant_sees_its_own(alice: Character, mallory: Character) -> None:
    audit.record(alice.actor, "key.created")
    with scope.bound(mallory.tenant.id):
        assert not audit.entries(mallory.actor).exists()
    with scope.bound(alice.tenant.id):
        assert audit.entries(alice.actor).count() == 1


def test_work_that_goes_on_for_nobody_is_the_portals(alice: Character, within: None) -> None:
    audit.record(Actor(alice.tenant, EDIT), "recording.created")
    entry = AuditEntry.objects.get()
    assert (entry.actor_kind, entry.actor_id, entry.actor_name) == ("system", "", "")


def test_entries_go_with_their_tenant(alice: Character, mallory: Character) -> None:
    for who in (alice, mallory):
        audit.record(who.actor, "key.created")
    Tenant.objects.get(pk=alice.tenant.pk).delete()
    with scope.across_tenants("this test"):
        assert AuditEntry.objects.get().tenant_id == mallory.tenant.pk


def test_viewers_see_none(bob: Character, within: None) -> None:
    with pytest.raises(PermissionDenied):
        audit.entries(bob.actor)


class TestFilter:
    def found(self, who: Character, **wanted: object) -> list[str]:
        return [entry.action for entry in audit.entries(who.actor, Filter(**wanted))]  # type: ignore[arg-type]

    def test_by_action_actor_and_object(self, alice: Character, bob: Character, within: None) -> None:
        key = ApiKey.objects.get(created_by=alice.user)
        program = api_keys.authenticate(alice.secret)
        assert program is not None
        audit.record(alice.actor, "key.created", key)
        audit.record(bob.actor, "transcript.read")
        audit.record(program, "transcript.exported")
        assert self.found(alice, action="transcript.read") == ["transcript.read"]
        assert self.found(alice, actor="BOB@acme.example") == ["transcript.read"]
        assert self.found(alice, actor=str(key.id)) == ["transcript.exported"]
        assert self.found(alice, actor=key.name) == ["transcript.exported"]
        assert self.found(alice, actor="member") == ["transcript.read", "key.created"]
        assert self.found(alice, object_id=str(key.id)) == ["key.created"]
        assert self.found(alice, actor="nobody\x00") == []

    def test_by_time(self, alice: Character, within: None) -> None:
        now = timezone.now()
        for hours in (3, 2, 1):
            with time_machine.travel(now - timedelta(hours=hours), tick=False):
                audit.record(alice.actor, f"key.h{'x' * hours}")
        since, until = now - timedelta(hours=2), now - timedelta(hours=1)
        assert self.found(alice, since=since) == ["key.hx", "key.hxx"]
        assert self.found(alice, until=until) == ["key.hxx", "key.hxxx"]
        assert self.found(alice, since=since, until=until) == ["key.hxx"]

    def test_does_not_say_which_operator_it_was(self, alice: Character, within: None) -> None:
        olivia = User.objects.create_superuser("olivia@portal.example", "correct horse")
        audit.record(operator_actor(olivia, alice.tenant, "198.51.100.7"), "quota.changed")
        assert self.found(alice, actor="operator") == ["quota.changed"]
        assert self.found(alice, actor="olivia@portal.example") == []
        assert self.found(alice, actor=str(olivia.pk)) == []
        entry = audit.entries(alice.actor).get()
        assert (entry.shown_actor, entry.shown_actor_id, entry.shown_address) == ("", "", "")


class TestRetention:
    def write(self, who: Character, days: int, times: int = 1) -> None:
        with time_machine.travel(timezone.now() - timedelta(days=days), tick=False):
            for _ in range(times):
                audit.record(who.actor, "transcript.read")

    def test_forgets_what_is_too_old_of_everybody(
        self, alice: Character, mallory: Character, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(append_only, "BATCH", 3)
        self.write(alice, 402, 5)
        self.write(mallory, 401, 3)
        self.write(alice, 399, 2)
        assert audit.forget_old() == 8
        assert audit.forget_old() == 0
        with scope.across_tenants("this test"):
            assert AuditEntry.objects.count() == 2

    def test_is_the_operator_s_choice(self, alice: Character, settings: Any) -> None:
        self.write(alice, 10)
        settings.AUDIT_RETENTION_DAYS = 0
        assert audit.forget_old() == 0
        settings.AUDIT_RETENTION_DAYS = 9
        assert audit.forget_old() == 1


def test_batches_follow_each_other_without_a_gap(
    alice: Character, within: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "BATCH", 2)
    with time_machine.travel(timezone.now(), tick=False):
        for _ in range(5):
            audit.record(alice.actor, "transcript.read")
    ids = [entry.pk for batch in audit.batches(alice.tenant, Filter()) for entry in batch]
    assert ids == sorted(AuditEntry.objects.values_list("pk", flat=True), reverse=True)

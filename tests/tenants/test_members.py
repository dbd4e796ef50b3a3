"""Roles are changed and people leave, and an organisation is never without an owner."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection, transaction
from django.http import Http404

from tenants import api_keys, audit, invitations, members, people_lock, scope
from tenants.access import key_actor
from tenants.former_members import KeyDecision
from tenants.invitations import Invitee
from tenants.members import MemberConflict
from tenants.models import ApiKey, AuditEntry, KeyScope, Member, Role, Tenant
from tests.conftest import Character, create_member

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("within")]
REVOKE, KEEP = KeyDecision.REVOKE, KeyDecision.KEEP


@pytest.fixture
def adam(acme: Tenant) -> Character:
    return create_member(acme, "adam@acme.example", Role.ADMIN)


def role_of(who: Character) -> str:
    return Member.objects.get(pk=who.member.pk).role


def valid_keys_of(who: Character) -> int:
    return ApiKey.objects.filter(created_by=who.user, revoked_at=None).count()


class TestRoles:
    def test_an_admin_changes_them_and_it_is_in_the_audit_log(self, adam: Character, bob: Character) -> None:
        members.change_role(adam.actor, bob.member.id, Role.EDITOR)
        assert role_of(bob) == Role.EDITOR
        entry = AuditEntry.objects.get(action="member.changed")
        assert (entry.actor_name, entry.details["email"]) == (adam.user.email, bob.user.email)
        assert (entry.details["before"], entry.details["role"]) == ("viewer", "editor")

    def test_an_admin_neither_makes_owners_nor_unmakes_them(self, adam: Character, alice: Character) -> None:
        with pytest.raises(PermissionDenied):
            members.change_role(adam.actor, adam.member.id, Role.OWNER)
        with pytest.raises(PermissionDenied):
            members.change_role(adam.actor, alice.member.id, Role.VIEWER)
        with pytest.raises(PermissionDenied):
            members.remove(adam.actor, alice.member.id, REVOKE)

    @pytest.mark.parametrize("role", [Role.EDITOR, Role.VIEWER])
    def test_others_change_none_not_even_their_own(self, role: Role, acme: Tenant, bob: Character) -> None:
        carol = create_member(acme, "carol@acme.example", role)
        with pytest.raises(PermissionDenied):
            members.change_role(carol.actor, carol.member.id, Role.ADMIN)
        with pytest.raises(PermissionDenied):
            members.remove(carol.actor, bob.member.id, REVOKE)

    def test_no_key_manages_people(self, acme: Tenant, bob: Character) -> None:
        key, secret = api_keys.issue(acme, "Everything", None, KeyScope.ADMIN)
        with pytest.raises(PermissionDenied):
            members.change_role(key_actor(key, secret), bob.member.id, Role.EDITOR)

    def test_nobody_reaches_into_another_organisation(self, bob: Character, mallory: Character) -> None:
        with pytest.raises(Http404):
            members.change_role(mallory.actor, bob.member.id, Role.OWNER)
        with pytest.raises(Http404):
            members.remove(mallory.actor, bob.member.id, REVOKE)


class TestTheLastOwner:
    def test_can_neither_go_nor_become_less(self, alice: Character, adam: Character) -> None:
        for act in (
            partial(members.remove, alice.actor, alice.member.id, REVOKE),
            partial(members.change_role, alice.actor, alice.member.id, Role.ADMIN),
        ):
            with pytest.raises(MemberConflict) as conflict:
                act()
            assert conflict.value.code == "last_owner"
        assert role_of(alice) == Role.OWNER

    def test_one_whose_account_is_switched_off_counts_as_none(self, acme: Tenant, alice: Character) -> None:
        other = create_member(acme, "olga@acme.example", Role.OWNER)
        other.user.is_active = False
        other.user.save()
        with pytest.raises(MemberConflict):
            members.remove(alice.actor, alice.member.id, REVOKE)

    def test_hands_over_and_may_go_then(self, alice: Character, bob: Character) -> None:
        members.transfer_ownership(alice.actor, bob.member.id)
        assert (role_of(alice), role_of(bob)) == (Role.ADMIN, Role.OWNER)
        members.remove(alice.actor, alice.member.id, REVOKE)
        assert not Member.objects.filter(pk=alice.member.pk).exists()


@pytest.mark.django_db(transaction=True)
def test_of_two_owners_who_leave_at_once_one_stays(acme: Tenant, alice: Character) -> None:
    olga = create_member(acme, "olga@acme.example", Role.OWNER)

    def leave(who: Character) -> bool:
        try:
            with scope.bound(acme.id):
                members.remove(who.actor, who.member.id, REVOKE)
        except MemberConflict:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(leave, (alice, olga))) == [False, True]
    assert Member.objects.filter(tenant=acme, role=Role.OWNER).count() == 1


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one lock for all")
@pytest.mark.django_db(transaction=True)
def test_the_tenants_work_goes_on_while_its_people_change(acme: Tenant, alice: Character) -> None:
    def work() -> None:
        try:
            with scope.bound(acme.id), connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '10s'")  # who waits for the other would wait for ever
                audit.record(alice.actor, "member.changed", acme)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        people_lock.lock(acme.id)
        pool.submit(work).result()
    assert AuditEntry.objects.filter(action="member.changed").exists()


class TestRightsOfNow:
    def test_who_was_demoted_meanwhile_does_nothing_more(self, alice: Character, bob: Character, acme: Tenant) -> None:
        olga = create_member(acme, "olga@acme.example", Role.OWNER)
        before = olga.actor
        members.change_role(alice.actor, olga.member.id, Role.VIEWER)
        for act in (
            partial(members.transfer_ownership, before, bob.member.id),
            partial(members.change_role, before, bob.member.id, Role.ADMIN),
            partial(members.remove, before, bob.member.id, REVOKE),
        ):
            with pytest.raises(PermissionDenied):
                act()
        assert (role_of(olga), role_of(bob)) == (Role.VIEWER, Role.VIEWER)

    def test_invitations_end_with_the_right_to_send_them(self, alice: Character, adam: Character) -> None:
        [row] = invitations.invite(adam.actor, [Invitee("adam@home.example", Role.ADMIN)])
        members.change_role(alice.actor, adam.member.id, Role.EDITOR)
        row.refresh_from_db()
        assert row.state == "revoked"


class TestLeaving:
    def test_keys_are_revoked_unless_whoever_removes_keeps_them(self, alice: Character, adam: Character) -> None:
        members.remove(alice.actor, adam.member.id, KEEP)
        assert valid_keys_of(adam) == 1
        again = create_member(alice.tenant, "eve@acme.example", Role.ADMIN)
        members.remove(alice.actor, again.member.id, REVOKE)
        assert valid_keys_of(again) == 0

    def test_one_who_may_not_manage_keys_can_leave_and_keeps_none(self, alice: Character, bob: Character) -> None:
        members.remove(bob.actor, bob.member.id, KEEP)
        assert not Member.objects.filter(pk=bob.member.pk).exists()
        assert valid_keys_of(bob) == 0
        entry = AuditEntry.objects.get(action="member.removed")
        assert (entry.actor_name, entry.details["left"]) == (bob.user.email, True)

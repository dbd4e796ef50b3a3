"""People become members by a mailed link, once, while it is open, and with the role that was meant."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, ClassVar

import pytest
import time_machine
from django.core import mail
from django.core.exceptions import PermissionDenied
from django.core.mail.backends.locmem import EmailBackend
from django.http import Http404
from django.utils import timezone

from tenants import invitations, mails, scope
from tenants.invitations import InvalidInvitation, Invitee
from tenants.members import MemberConflict
from tenants.models import AuditEntry, Invitation, Member, Role, Tenant, User
from tests.conftest import Character, create_member

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("within")]
CAROL = "carol@acme.example"


def invite(who: Character, email: str = CAROL, role: Role = Role.EDITOR) -> Invitation:
    [row] = invitations.invite(who.actor, [Invitee(email, role)])
    return row


def found(row: Invitation) -> Invitation | None:
    """By its link, as the page does."""
    match = re.fullmatch(r".*/invitations/([0-9a-f-]{36})-([^/]+)/", invitations.link(row))
    assert match
    return invitations.find(row.id, match[2])


def account(email: str = CAROL) -> User:
    return User.objects.create_user(email, "correct horse")


def member_roles(email: str = CAROL) -> list[str]:
    return list(Member.objects.filter(user__email=email).values_list("role", flat=True))


class TestInviting:
    def test_addresses_are_one_however_they_are_written(self, alice: Character) -> None:
        assert invite(alice, " Carol@ACME.example ").email == CAROL
        assert invite(alice, CAROL, Role.ADMIN).role == Role.ADMIN
        assert Invitation.objects.count() == 1

    def test_of_a_list_all_are_invited_or_nobody(self, alice: Character, bob: Character) -> None:
        with pytest.raises(MemberConflict, match=r"bob@acme\.example"):
            invitations.invite(alice.actor, [Invitee(CAROL, Role.VIEWER), Invitee(bob.user.email, Role.VIEWER)])
        with pytest.raises(InvalidInvitation, match="nobody"):
            invitations.invite(alice.actor, [Invitee(CAROL, Role.VIEWER), Invitee("nobody", Role.VIEWER)])
        assert not Invitation.objects.exists()

    def test_admins_make_no_owners_and_others_invite_nobody(self, acme: Tenant, bob: Character) -> None:
        adam = create_member(acme, "adam@acme.example", Role.ADMIN)
        assert invite(adam).role == Role.EDITOR
        for who, role in ((adam, Role.OWNER), (bob, Role.VIEWER)):
            with pytest.raises(PermissionDenied):
                invite(who, "dave@acme.example", role)

    def test_there_is_a_limit_to_mails_for_one_address(self, alice: Character) -> None:
        for _time in range(5):
            invite(alice)
        with pytest.raises(MemberConflict, match="Too many mails"):
            invite(alice)

    def test_another_organisation_can_neither_see_nor_end_it(self, alice: Character, mallory: Character) -> None:
        row = invite(alice)
        assert not invitations.open_invitations(mallory.actor).exists()
        for act in (invitations.revoke, invitations.invite_again):
            with pytest.raises(Http404):
                act(mallory.actor, row.id)


class TestAList:
    @pytest.mark.parametrize(
        "text",
        [
            "carol@acme.example, admin\ndave@acme.example\n",
            "\ufeffE-mail;Role\r\ncarol@acme.example;Admin\r\n\r\ndave@acme.example;\r\n",
            "carol@acme.example\tADMIN\ndave@acme.example",
        ],
    )
    def test_is_read_as_spreadsheets_write_it(self, text: str) -> None:
        people = [Invitee("carol@acme.example", Role.ADMIN), Invitee("dave@acme.example", Role.VIEWER)]
        assert invitations.parse_list(text, Role.VIEWER) == people

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("carol@acme.example\nnobody", "Line 2: “nobody” is no e-mail address."),
            ("carol@acme.example, king", "Line 1: “king” is no role. There are: Owner, Admin, Editor, Viewer."),
            ("", "There is no address in it."),
            ("\x00", "This is not a list of addresses."),
            ("a@b.example\n" * 201, "At most 200 people at once."),
            ("x" * 100_001, "The list is too long."),
        ],
    )
    def test_says_what_is_wrong_and_where(self, text: str, says: str) -> None:
        with pytest.raises(InvalidInvitation) as error:
            invitations.parse_list(text, Role.VIEWER)
        assert str(error.value) == says


class TestAccepting:
    def test_makes_a_member_once_and_tells_the_audit_log(self, alice: Character) -> None:
        row, carol = found(invite(alice)), account()
        assert row is not None
        invitations.accept(row, carol, "192.0.2.7")
        with pytest.raises(MemberConflict):
            invitations.accept(row, carol, "192.0.2.7")
        assert member_roles() == [Role.EDITOR]
        entry = AuditEntry.objects.get(action="member.added")
        assert (entry.actor_name, entry.address, entry.details["invited_by"]) == (CAROL, "192.0.2.7", alice.user.email)
        assert found(row) is None

    def test_a_link_ends_when_it_is_old_revoked_sent_again_or_changed(self, alice: Character) -> None:
        row = invite(alice)
        with time_machine.travel(timezone.now() + invitations.LIFETIME + timedelta(seconds=1)):
            assert found(row) is None
        again = invitations.invite_again(alice.actor, row.id)
        assert found(row) is None
        assert found(again) is not None
        for wrong in ("", "set-password", "x" * 43, "ä", invitations.link(again)[-44:-2] + "?"):
            assert invitations.find(again.id, wrong) is None
        invitations.revoke(alice.actor, row.id)
        assert found(again) is None

    def test_a_new_link_ends_a_page_that_was_open_with_the_old_one(self, alice: Character) -> None:
        old = found(invite(alice))
        assert old is not None
        invite(alice, role=Role.VIEWER)
        with pytest.raises(MemberConflict):
            invitations.accept(old, account(), "")

    def test_it_is_for_its_own_address_alone(self, alice: Character) -> None:
        row = found(invite(alice))
        assert row is not None
        with pytest.raises(MemberConflict):
            invitations.accept(row, account("eve@acme.example"), "")
        assert member_roles("eve@acme.example") == []

    def test_who_became_a_member_meanwhile_keeps_the_role(self, acme: Tenant, alice: Character) -> None:
        row = found(invite(alice, role=Role.VIEWER))
        carol = create_member(acme, CAROL, Role.ADMIN)
        assert row is not None
        invitations.accept(row, carol.user, "")
        assert member_roles() == [Role.ADMIN]

    def test_one_of_a_tenant_that_is_switched_off_opens_nothing(self, acme: Tenant, alice: Character) -> None:
        row = invite(alice)
        acme.is_active = False
        acme.save()
        assert found(row) is None


class FullMailbox(EmailBackend):
    """A mail server that refuses one address."""

    def send_messages(self, messages: Any) -> int:
        if "full@acme.example" in messages[0].to:
            raise ValueError("mailbox full")
        return super().send_messages(messages)


class Away(EmailBackend):
    """A mail server that nobody reaches."""

    opened = 0

    def open(self) -> bool:
        type(self).opened += 1
        raise TimeoutError


class Renewing(EmailBackend):
    """While it is asked for, the invitation is renewed."""

    renew: ClassVar[list[Callable[[], object]]] = []

    def open(self) -> bool:
        Renewing.renew.pop()()
        return True


class TestTheMail:
    @pytest.fixture(autouse=True)
    def nothing_bound(self, alice: Character) -> Iterator[None]:
        with scope.across_tenants("as the sweeper"):
            yield

    def test_is_sent_once_with_the_link(self, alice: Character) -> None:
        row = invite(alice)
        assert (invitations.send_due(), invitations.send_due()) == (1, 0)
        [message] = mail.outbox
        assert (message.to, message.subject) == ([CAROL], "alice@acme.example invites you to Acme")
        assert invitations.link(row) in message.body

    def test_has_the_link_of_an_invitation_that_is_renewed_as_it_is_sent(self, alice: Character, settings: Any) -> None:
        row = invite(alice)
        settings.EMAIL_BACKEND = f"{__name__}.Renewing"
        Renewing.renew.append(lambda: invite(alice))
        assert invitations.send_due() == 1
        row.refresh_from_db()
        assert invitations.link(row) in mail.outbox[0].body

    def test_a_name_makes_no_second_line_of_the_subject(self, acme: Tenant, alice: Character) -> None:
        Tenant.objects.filter(id=acme.id).update(name="Acme\nBcc: everybody@example.com")
        invite(alice)
        assert invitations.send_due() == 1
        assert mail.outbox[0].subject.endswith("Acme Bcc: everybody@example.com")

    def test_a_refused_one_holds_nobody_up_and_is_given_up_in_the_end(self, alice: Character, settings: Any) -> None:
        settings.EMAIL_BACKEND = f"{__name__}.FullMailbox"
        refused = invite(alice, "full@acme.example")
        invite(alice)
        assert invitations.send_due() == 1
        for hour in range(1, 10):
            with time_machine.travel(timezone.now() + timedelta(hours=hour)):
                invitations.send_due()
        refused.refresh_from_db()
        assert refused.mail_attempts == mails.ATTEMPTS
        assert invitations.is_unmailable(refused)

    def test_a_server_that_is_away_is_asked_once_a_minute_and_nothing_is_lost(
        self, alice: Character, settings: Any
    ) -> None:
        usual, settings.EMAIL_BACKEND = settings.EMAIL_BACKEND, f"{__name__}.Away"
        row = invite(alice)
        for _round in range(3):
            assert invitations.send_due() == 0
        assert Away.opened == 1
        settings.EMAIL_BACKEND = usual
        with time_machine.travel(timezone.now() + timedelta(minutes=2)):
            assert invitations.send_due() == 1
        row.refresh_from_db()
        assert row.mail_attempts == 0

    def test_what_was_revoked_is_not_sent(self, alice: Character) -> None:
        with scope.bound(alice.tenant.id):
            invitations.revoke(alice.actor, invite(alice).id)
        assert invitations.send_due() == 0

    def test_ended_ones_are_forgotten_after_three_months(self, alice: Character) -> None:
        invite(alice)
        assert invitations.forget_old() == 0
        with time_machine.travel(timezone.now() + timedelta(days=98)):
            assert invitations.forget_old() == 1

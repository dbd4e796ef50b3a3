"""Who signs in and out, and who is refused, as the tenants have it in their audit logs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from django.test import Client
from django.utils import timezone

from portal.second_factor import PortalMFAAdapter
from tenants import scope
from tenants.models import AuditEntry, Member, User
from tests.conftest import Character, create_member, create_tenant
from tests.portal.web.conftest import Mailed

pytestmark = pytest.mark.django_db
LOGIN = "/accounts/login/"
HOME, CAFE = "203.0.113.9", "2001:db8::7"
FULL_HOUR = datetime(2026, 12, 1, 9, 0, 1, tzinfo=ZoneInfo("UTC"))


def told(who: Character) -> list[tuple[str, str, str]]:
    """Action, actor and address, the oldest first."""
    with scope.bound(who.tenant.id):
        return [(one.action, one.actor_name, one.address) for one in AuditEntry.objects.order_by("id")]


def refusals(who: Character) -> int:
    return [action for action, *_rest in told(who)].count("member.sign_in_failed")


def sign_in(client: Client, email: str, password: str = "correct horse", address: str = HOME) -> Any:
    return client.post(LOGIN, {"login": email, "password": password}, REMOTE_ADDR=address)


def test_who_comes_and_goes(alice: Character, client: Client) -> None:
    assert sign_in(client, "Alice@acme.example").status_code == 302
    client.post("/accounts/logout/", REMOTE_ADDR=CAFE)
    assert told(alice) == [
        ("member.signed_in", "alice@acme.example", HOME),
        ("member.signed_out", "alice@acme.example", CAFE),
    ]
    assert client.get("/recordings/").status_code == 302, "signed out indeed"


def test_each_tenant_of_a_member_is_told_and_no_other(alice: Character, mallory: Character, client: Client) -> None:
    second = create_tenant("Second")
    Member.objects.create(tenant=second, user=alice.user, role="viewer")
    sign_in(client, alice.user.email)
    with scope.bound(second.id):
        assert AuditEntry.objects.get().actor_name == alice.user.email
    assert len(told(alice)) == 1
    assert told(mallory) == []


def test_signing_out_twice_is_told_once(alice: Character, client: Client) -> None:
    sign_in(client, alice.user.email)
    for _ in range(2):
        client.post("/accounts/logout/")
    assert [action for action, *_rest in told(alice)] == ["member.signed_in", "member.signed_out"]


class TestRefused:
    def test_a_wrong_password_says_whose_account_and_from_where(self, alice: Character, client: Client) -> None:
        answer = sign_in(client, alice.user.email, "hunter2 of my bank")
        assert "are not correct" in answer.content.decode()
        assert told(alice) == [("member.sign_in_failed", "", HOME)]
        with scope.bound(alice.tenant.id):
            entry = AuditEntry.objects.get()
        assert (entry.actor_kind, entry.object_type, entry.object_id) == ("unknown", "member", str(alice.member.pk))
        assert entry.details == {"email": "alice@acme.example"}

    def test_of_accounts_that_do_not_exist_nothing_is_kept(self, alice: Character, client: Client) -> None:
        sign_in(client, "my password by mistake@acme.example")
        sign_in(client, "nobody@acme.example")
        with scope.across_tenants("this test"):
            assert not AuditEntry.objects.exists()

    def test_who_goes_on_guessing_fills_no_log(self, alice: Character, client: Client) -> None:
        for minute in range(0, 60, 6):
            with time_machine.travel(FULL_HOUR + timedelta(minutes=minute), tick=False):
                sign_in(client, alice.user.email, f"guess {minute}")
        assert refusals(alice) == 1
        with time_machine.travel(FULL_HOUR + timedelta(minutes=61), tick=False):
            sign_in(client, alice.user.email, "the next hour's guess")
        assert refusals(alice) == 2

    def test_not_even_from_many_addresses(self, alice: Character, bob: Character, client: Client) -> None:
        for number in range(40):
            with time_machine.travel(FULL_HOUR + timedelta(seconds=80 * number), tick=False):
                sign_in(client, alice.user.email, "guess", f"203.0.113.{number}")
        with time_machine.travel(FULL_HOUR + timedelta(seconds=3400), tick=False):
            sign_in(client, bob.user.email, "guess", "203.0.113.1")
            sign_in(client, bob.user.email, address="203.0.113.1")
        assert refusals(alice) == 5 + 1, "five of Alice's, one of Bob's"
        assert told(alice)[-1][0] == "member.signed_in"

    def test_the_log_s_page_says_from_where(self, as_alice: Client, alice: Character) -> None:
        sign_in(Client(), alice.user.email, "wrong", CAFE)
        page = as_alice.get("/audit/?action=member.sign_in_failed").content.decode()
        table = page[page.index("<tbody>") :]
        assert "Somebody unknown" in table
        assert CAFE in table


class TestAdmin:
    """Operators come through the same door."""

    @pytest.fixture
    def olivia(self, alice: Character) -> User:
        """An operator who is a member of Acme too."""
        olivia = User.objects.create_superuser("olivia@portal.example", "correct horse")
        Member.objects.create(tenant=alice.tenant, user=olivia, role="viewer")
        return olivia

    def test_there_is_one_door(self, alice: Character, olivia: User, client: Client) -> None:
        answer = client.get("/admin/tenants/tenant/", follow=True)
        assert answer.redirect_chain[-1][0] == f"{LOGIN}?next=/admin/tenants/tenant/"
        form = {"username": olivia.email, "password": "correct horse"}
        assert client.post("/admin/login/", form)["Location"].startswith(LOGIN)
        assert client.get("/recordings/").status_code == 302, "nobody came in beside it"
        door = answer.redirect_chain[-1][0]
        came = client.post(door, {"login": olivia.email, "password": "correct horse"})
        assert came["Location"] == "/admin/tenants/tenant/"
        assert client.get("/admin/login/")["Location"] == "/admin/"
        assert client.post("/admin/logout/").status_code == 200
        assert client.get("/admin/").status_code == 302
        assert [action for action, *_rest in told(alice)] == ["member.signed_in", "member.signed_out"]

    def test_it_is_closed_to_everybody_else(self, as_alice: Client) -> None:
        assert as_alice.get("/admin/", follow=True).status_code == 403


def test_sign_ins_are_found_by_member(as_alice: Client, alice: Character, bob: Character) -> None:
    with time_machine.travel(timezone.now() - timedelta(days=1), tick=False):
        sign_in(Client(), bob.user.email)
    page = as_alice.get("/audit/?actor=bob@acme.example").content.decode()
    assert "Signed in</td>" in page


class TestTold:
    """By mail, to whom it concerns."""

    def test_who_guesses_a_password_is_told_of_once_a_day(
        self, alice: Character, client: Client, mailed: Mailed
    ) -> None:
        for number in range(12):
            with time_machine.travel(FULL_HOUR + timedelta(minutes=number), tick=False):
                sign_in(client, alice.user.email, f"guess {number}", f"203.0.113.{number}")
                sign_in(client, "nobody@acme.example", f"guess {number}", f"203.0.113.{number}")
        [said] = mailed("guesses your password")
        assert said.startswith(f"{alice.user.email}: ")
        assert "203.0.113.5" in said
        assert "guess 5" not in said
        assert [action for action, *_rest in told(alice)].count("member.guessed_at") == 1

    def test_and_of_few_wrong_passwords_nobody(self, alice: Character, client: Client, mailed: Mailed) -> None:
        for _ in range(5):
            sign_in(client, alice.user.email, "a slip")
        assert mailed("") == []

    def test_who_has_the_password_and_guesses_codes(self, alice: Character, client: Client, mailed: Mailed) -> None:
        Authenticator.objects.create(
            user=alice.user, type="totp", data={"secret": PortalMFAAdapter().encrypt("A" * 32)}
        )
        sign_in(client, alice.user.email)
        for number in range(4):
            client.post("/accounts/login/second/", {"code": f"00000{number}"}, REMOTE_ADDR=CAFE)
        [said] = mailed("who knows your password")
        assert CAFE in said

    def test_a_new_key_to_who_made_it_and_the_owners(
        self, as_alice: Client, alice: Character, mallory: Character, mailed: Mailed
    ) -> None:
        adam = create_member(alice.tenant, "adam@acme.example", "admin")
        adams = Client()
        adams.force_login(adam.user)
        adams.post("/keys/", {"name": "Robot", "scope": "read"})
        said = sorted(mailed("API key in Acme"))
        assert [one.partition(":")[0] for one in said] == [adam.user.email, alice.user.email]
        assert all("“Robot”" in one and "made by adam@acme.example" in one for one in said)

    def test_a_new_role_to_the_member(self, as_alice: Client, bob: Character, mailed: Mailed) -> None:
        as_alice.post(f"/people/{bob.member.pk}/role/", {"role": "editor"})
        as_alice.post(f"/people/{bob.member.pk}/role/", {"role": "editor"})
        [said] = mailed("Your role in Acme")
        assert said.startswith(f"{bob.user.email}: Your role in Acme is Editor now.")
        assert "changed by alice@acme.example" in said

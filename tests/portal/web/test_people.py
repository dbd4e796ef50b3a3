"""Addresses, passwords and rights: who changes them, and where it is told."""

from __future__ import annotations

import re
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.core.management import call_command
from django.test import Client

from tenants import account_mails, scope
from tenants.models import AuditEntry, DirectoryPerson, Member, User
from tests.conftest import Character, create_tenant

pytestmark = pytest.mark.django_db
NEW = "a new and long password"


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("olivia@portal.example", "correct horse"))
    return client


def told(who: Character, action: str = "") -> list[tuple[str, str, dict[str, Any]]]:
    with scope.bound(who.tenant.id):
        rows = AuditEntry.objects.filter(action__startswith=action).order_by("id")
        return [(one.action, one.actor_kind, one.details) for one in rows]


def person_form(user: User, **changes: str) -> dict[str, str]:
    form = {"email": user.email, "first_name": "", "last_name": "", "is_active": "on"}
    joined = {"date_joined_0": f"{user.date_joined:%Y-%m-%d}", "date_joined_1": f"{user.date_joined:%H:%M:%S}"}
    return form | joined | changes


def change(operator: Client, user: User, form: dict[str, str]) -> Any:
    return operator.post(f"/admin/tenants/user/{user.pk}/change/", form)


class TestInTheAdmin:
    def test_a_new_address_is_told_where_the_person_is_and_nowhere_else(
        self, operator: Client, alice: Character, mallory: Character
    ) -> None:
        second = create_tenant("Second")
        Member.objects.create(tenant=second, user=alice.user, role="viewer")
        assert change(operator, alice.user, person_form(alice.user, email="Alice@New.example")).status_code == 302
        details = {"email": "alice@new.example", "before": "alice@acme.example"}
        assert told(alice) == [("member.email_changed", "operator", details)]
        with scope.bound(second.id):
            assert AuditEntry.objects.get().details == details
        assert told(mallory) == []

    def test_an_address_that_somebody_has_is_refused_however_it_is_written(
        self, operator: Client, alice: Character, bob: Character
    ) -> None:
        answer = change(operator, bob.user, person_form(bob.user, email="ALICE@acme.example"))
        assert answer.status_code == 200
        assert "already exists" in answer.content.decode()
        form = {"email": "Alice@ACME.example", "usable_password": "true", "password1": NEW, "password2": NEW}
        answer = operator.post("/admin/tenants/user/add/", form)
        assert (answer.status_code, "already exists" in answer.content.decode()) == (200, True)
        assert told(alice) == []

    def test_a_new_password_is_told(self, operator: Client, alice: Character) -> None:
        form = {"password1": NEW, "password2": NEW, "usable_password": "true", "set-password": ""}
        assert operator.post(f"/admin/tenants/user/{alice.user.pk}/password/", form).status_code == 302
        details = {"email": alice.user.email, "how": "operator"}
        assert told(alice) == [("member.password_changed", "operator", details)]
        operator.post(f"/admin/tenants/user/{alice.user.pk}/password/", form | {"password2": "another"})
        assert len(told(alice)) == 1

    def test_operators_change_their_own_on_the_portal_s_page(self, operator: Client) -> None:
        form = {"old_password": "correct horse", "new_password1": NEW, "new_password2": NEW}
        assert operator.post("/admin/password_change/", form)["Location"] == "/accounts/password/change/"
        assert User.objects.get(email="olivia@portal.example").check_password("correct horse")

    def test_rights_and_being_switched_off_are_told(self, operator: Client, alice: Character) -> None:
        form = person_form(alice.user, is_staff="on")
        del form["is_active"]
        change(operator, alice.user, form)
        details = {"fields": ["is_active", "is_staff"], "email": alice.user.email, "role": "owner"}
        key = ("key.revoked", "operator", {"name": f"Key of {alice.user.email}"})
        assert told(alice) == [("member.changed", "operator", details), key]

    def test_who_is_deleted_has_left(self, operator: Client, alice: Character, bob: Character) -> None:
        operator.post(f"/admin/tenants/user/{bob.user.pk}/delete/", {"post": "yes"})
        chosen = {"action": "delete_selected", "_selected_action": [str(alice.user.pk)], "post": "yes"}
        operator.post("/admin/tenants/user/", chosen)
        left = [
            ("member.removed", "operator", {"email": one.user.email, "role": one.member.role}) for one in (bob, alice)
        ]
        assert [entry for entry in told(alice) if entry[0] != "key.revoked"] == left

    def test_what_changes_nothing_tells_nothing(self, operator: Client, alice: Character) -> None:
        assert change(operator, alice.user, person_form(alice.user)).status_code == 302
        assert told(alice) == []

    def test_a_member_is_not_made_somebody_else(self, operator: Client, alice: Character, mallory: Character) -> None:
        page = operator.get(f"/admin/tenants/tenant/{alice.tenant.pk}/change/").content.decode()
        [field] = re.findall(r'<select name="members-0-user"[^>]*>', page)
        assert "disabled" in field


class TestByThePerson:
    def test_a_new_password_on_the_page_is_told(self, client: Client, alice: Character, mallory: Character) -> None:
        client.force_login(alice.user)
        form = {"oldpassword": "correct horse", "password1": NEW, "password2": NEW}
        assert client.post("/accounts/password/change/", form).status_code == 302
        assert told(alice) == [("member.password_changed", "member", {"email": alice.user.email, "how": "page"})]
        assert told(mallory) == []

    def test_a_new_name_is_told(self, client: Client, alice: Character, mallory: Character) -> None:
        client.force_login(alice.user)
        assert "Your name" in client.get("/accounts/name/").content.decode()
        form = {"first_name": "Alice", "last_name": "Liddell", "email": "x@new.example", "is_staff": "on"}
        assert client.post("/accounts/name/", form).status_code == 302
        alice.user.refresh_from_db()
        assert (alice.user.email, alice.user.is_staff) == ("alice@acme.example", False)
        details = {"email": "alice@acme.example", "name": "Alice Liddell", "before": ""}
        assert told(alice) == [("member.renamed", "member", details)]
        assert told(mallory) == []

    def test_a_name_of_a_directory_is_changed_there(self, client: Client, alice: Character) -> None:
        client.force_login(alice.user)
        with scope.bound(alice.tenant.id):
            DirectoryPerson.objects.create(
                tenant=alice.tenant, member=alice.member, user_name=alice.user.email, folded=alice.user.email
            )
        answer = client.post("/accounts/name/", {"first_name": "Alice", "last_name": "Liddell"}).content.decode()
        assert f"The directory of {alice.tenant} gives your name" in answer
        assert User.objects.get(pk=alice.user.pk).first_name == ""
        assert told(alice) == []

    def test_the_old_password_is_not_guessed(self, client: Client, alice: Character) -> None:
        client.force_login(alice.user)
        form = {"oldpassword": "guess", "password1": NEW, "password2": NEW}
        answers = [client.post("/accounts/password/change/", form).status_code for _ in range(6)]
        assert answers == [200] * 5 + [429]
        assert told(alice) == []

    def test_nobody_changes_addresses_alone(self, client: Client, alice: Character) -> None:
        client.force_login(alice.user)
        for path in (
            "email/",
            "reauthenticate/",
            "password/set/",
            "confirm-email/x/",
            "login/code/confirm/",
        ):
            assert client.get(f"/accounts/{path}").status_code == 404, path
        answer = client.post("/accounts/signup/", {"email": "new@acme.example", "password1": NEW})
        assert "By invitation" in answer.content.decode()
        assert not User.objects.filter(email="new@acme.example").exists()

    def test_allauth_s_table_of_addresses_is_asked_by_nobody(
        self, client: Client, alice: Character, mallory: Character
    ) -> None:
        EmailAddress.objects.create(user=mallory.user, email=alice.user.email, verified=True, primary=True)
        login = {"login": alice.user.email, "password": "wrong"}
        client.post("/accounts/login/", login)
        assert told(mallory) == []
        assert [action for action, *_rest in told(alice)] == ["member.sign_in_failed"]
        client.post("/accounts/password/reset/", {"email": alice.user.email})
        assert [one.to for one in mails()] == [[alice.user.email]]
        Member.objects.filter(user=alice.user).delete()
        alice.user.delete()
        assert client.post("/accounts/login/", login | {"password": "correct horse"}).status_code == 200


def mails() -> list[mail.EmailMessage]:
    """What was sent so far: it is sent after the answer."""
    account_mails.MAILS.submit(int).result()
    return mail.outbox


class TestByMail:
    def ask(self, client: Client, email: str, **headers: str) -> tuple[int, str]:
        answer = client.post("/accounts/password/reset/", {"email": email}, **headers)  # type: ignore[arg-type]
        return answer.status_code, answer.headers.get("Location", "")

    def test_the_link_is_of_the_portal_s_address(self, client: Client, alice: Character, settings: Any) -> None:
        settings.PORTAL_URL = "https://portal.acme.example"
        self.ask(client, "Alice@acme.example", HTTP_HOST="localhost")
        [sent] = mails()
        assert sent.to == [alice.user.email]
        assert re.findall(r"https?://[^/\s]+", str(sent.body)) == ["https://portal.acme.example"] * 2
        assert "localhost" not in f"{sent.subject} {sent.body}"

    def test_unknown_addresses_get_no_mail_and_the_answer_is_the_same(self, client: Client, alice: Character) -> None:
        known, unknown = self.ask(client, alice.user.email), self.ask(client, "nobody@acme.example")
        assert known == unknown == (302, "/accounts/password/reset/done/")
        assert [one.to for one in mails()] == [[alice.user.email]]

    def test_a_mail_server_that_is_down_is_not_told(self, client: Client, alice: Character, settings: Any) -> None:
        settings.EMAIL_BACKEND = "tests.nowhere.Backend"
        assert self.ask(client, alice.user.email)[0] == self.ask(client, "nobody@acme.example")[0] == 302
        account_mails.MAILS.submit(int).result()

    def test_a_mailbox_is_not_filled(self, client: Client, alice: Character) -> None:
        answers = {self.ask(client, alice.user.email) for _ in range(9)}
        assert answers == {(302, "/accounts/password/reset/done/")}
        assert len(mails()) == 5

    def test_the_new_password_is_told(self, client: Client, alice: Character, mallory: Character) -> None:
        self.ask(client, alice.user.email)
        [link] = re.findall(r"http://[^/\s]+(/accounts/password/reset/key/\S+)", str(mails()[0].body))
        form_page = client.get(link)["Location"]
        assert client.post(form_page, {"password1": NEW, "password2": NEW}).status_code == 302
        assert told(alice) == [("member.password_changed", "member", {"email": alice.user.email, "how": "mail"})]
        assert told(mallory) == []
        assert Client().post("/accounts/login/", {"login": alice.user.email, "password": NEW}).status_code == 302
        assert "no longer works" in Client().get(link).content.decode()


def test_a_command_s_new_password_is_told(alice: Character, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getpass", lambda **_: NEW)
    call_command("changepassword", "Alice@acme.example")
    assert told(alice) == [("member.password_changed", "system", {"email": alice.user.email, "how": "command"})]
    alice.user.refresh_from_db()
    assert alice.user.check_password(NEW)


class TestGuessing:
    def sign_in(self, email: str, password: str, address: str) -> bool:
        form = {"login": email, "password": password}
        return Client().post("/accounts/login/", form, REMOTE_ADDR=address).status_code == 302

    def test_a_stranger_s_guesses_keep_nobody_out(self, alice: Character) -> None:
        for number in range(40):
            self.sign_in(alice.user.email, "guess", f"198.51.100.{number % 4}")
        assert self.sign_in(alice.user.email, "correct horse", "203.0.113.9")
        assert not self.sign_in(alice.user.email, "correct horse", "198.51.100.1"), "not from where it was guessed"

    def test_a_network_of_ipv6_is_one_address(self, alice: Character) -> None:
        for number in range(5):
            self.sign_in(alice.user.email, "guess", f"2001:db8:1:2::{number}")
        assert not self.sign_in(alice.user.email, "correct horse", "2001:db8:1:2::99")
        assert self.sign_in(alice.user.email, "correct horse", "2001:db8:1:3::99")

    def test_one_address_guesses_no_more_however_many_accounts(self, alice: Character) -> None:
        for number in range(10):
            self.sign_in(f"person{number}@acme.example", "guess", "198.51.100.1")
        assert not self.sign_in(alice.user.email, "correct horse", "198.51.100.1")
        assert self.sign_in(alice.user.email, "correct horse", "198.51.100.2")

    def test_right_passwords_are_not_counted(self, alice: Character) -> None:
        assert all(self.sign_in(alice.user.email, "correct horse", "203.0.113.9") for _ in range(15))

    def test_a_forwarded_address_that_the_server_did_not_take_counts_for_nothing(self, alice: Character) -> None:
        for number in range(10):
            form = {"login": alice.user.email, "password": "guess"}
            Client().post("/accounts/login/", form, REMOTE_ADDR="198.51.100.1", HTTP_X_FORWARDED_FOR=f"10.0.0.{number}")
        assert not self.sign_in(alice.user.email, "correct horse", "198.51.100.1")

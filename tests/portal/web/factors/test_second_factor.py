"""Second factors: setting them up, signing in with them, and who can't."""

from __future__ import annotations

import json
import re
import time
from datetime import timedelta
from html import unescape

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from django.test import Client, override_settings

from tenants import scope
from tenants.models import AuditEntry
from tests.authenticator import SecurityKey, code_of
from tests.conftest import Character
from tests.portal.web.conftest import Mailed
from tests.portal.web.factors.conftest import (
    APP,
    CODES,
    KEYS,
    LOGIN,
    PASSKEY,
    PASSWORD,
    SECOND,
    SECURITY,
    add_key,
    ask,
    browser,
    client_in,
    is_in,
    options_in,
    set_up_app,
    show_it_is_me,
    sign_in,
    told,
)

pytestmark = pytest.mark.django_db


class TestApp:
    def test_the_password_alone_opens_nothing(self, alice: Character, secret: str, later: float) -> None:
        client = browser()
        assert sign_in(client, alice)["Location"] == SECOND
        for page in ("/recordings/", "/people/", "/admin/", SECURITY, "/accounts/devices/"):
            answer = client.get(page)
            assert answer.status_code == 302
            assert "/login/" in answer["Location"], page
        assert client.post(SECOND, {"code": code_of(secret, later - 300)}).status_code == 200
        assert not is_in(client)
        assert client.post(SECOND, {"code": code_of(secret, later)}).status_code == 302
        assert is_in(client)

    def test_one_code_opens_once_whatever_process_is_asked(self, alice: Character, secret: str, later: float) -> None:
        code = code_of(secret, later)
        first, second = browser(), browser()
        sign_in(first, alice)
        sign_in(second, alice)
        assert first.post(SECOND, {"code": code}).status_code == 302
        for written in (code, f"{code[:3]} {code[3:]}", f"{code}-"):
            assert second.post(SECOND, {"code": written}).status_code == 200
        assert not is_in(second)

    def test_nor_does_the_code_of_the_set_up(self, alice: Character, secret: str) -> None:
        client = browser()
        sign_in(client, alice)
        assert client.post(SECOND, {"code": code_of(secret, time.time())}).status_code == 200

    def test_guesses_are_counted_over_all_processes_and_the_right_code_waits(
        self, alice: Character, secret: str, later: float, whole_minute: time_machine.Traveller
    ) -> None:
        for number in range(5):
            client = browser()
            sign_in(client, alice)
            assert "not right" in client.post(SECOND, {"code": f"{number:06}"}).content.decode()
        assert "Too many wrong answers" in client.post(SECOND, {"code": code_of(secret, later)}).content.decode()
        whole_minute.shift(120)
        assert client.post(SECOND, {"code": code_of(secret, time.time())}).status_code == 302
        assert told(alice, "member.sign_in_failed")

    def test_nobody_reads_the_secret_in_the_database(
        self, alice: Character, secret: str, later: float, caplog: pytest.LogCaptureFixture
    ) -> None:
        row = Authenticator.objects.get(type="totp")
        assert secret not in json.dumps(row.data)
        client = browser()
        sign_in(client, alice)
        with override_settings(SECRET_KEY="another", SECRET_KEY_FALLBACKS=[]):
            sign_in(client, alice)
            assert "can’t be read" in unescape(client.post(SECOND, {"code": code_of(secret, later)}).content.decode())

    def test_nor_while_it_is_set_up(self, desk: Client) -> None:
        shown = re.search(r'id="app-key">([A-Z2-7]+)<', desk.get(APP).content.decode())
        assert shown is not None
        assert shown[1] not in json.dumps(dict(desk.session))

    def test_it_is_removed_by_who_shows_a_factor_and_not_by_the_password(
        self, desk: Client, alice: Character, secret: str, later: float
    ) -> None:
        remove = f"{APP}remove/"
        assert desk.post(remove)["Location"].startswith("/accounts/again/code/")
        assert desk.post("/accounts/again/", {"password": PASSWORD})["Location"].startswith("/accounts/again/code/")
        assert Authenticator.objects.filter(type="totp").exists()
        assert desk.post("/accounts/again/code/", {"code": code_of(secret, later)}).status_code == 302
        assert desk.post(remove)["Location"] == SECURITY
        assert not Authenticator.objects.exists(), "the recovery codes went with it"
        with scope.bound(alice.tenant.id):
            said = AuditEntry.objects.filter(action="member.factor_removed").values_list("details", flat=True)
        assert {"email": alice.user.email, "kind": "totp"} in said, "in no language"


class TestRecoveryCodes:
    def test_they_are_shown_once_open_once_and_are_told_by_mail(
        self, desk: Client, alice: Character, secret: str, mailed: Mailed
    ) -> None:
        codes = self.shown(desk)
        assert len(codes) == 10
        assert self.shown(desk) == []
        for used in (True, False):
            client = browser()
            sign_in(client, alice)
            client.post(SECOND, {"code": codes[3]})
            assert is_in(client) is used
        [said] = mailed("A recovery code")
        assert "9 are left" in said
        assert told(alice).count("member.code_used") == 1
        assert "9 codes are left" in desk.get(SECURITY).content.decode()

    def test_new_ones_end_the_earlier_and_are_told_by_mail(
        self, desk: Client, alice: Character, secret: str, mailed: Mailed
    ) -> None:
        earlier = self.shown(desk)
        assert desk.post(f"{CODES}new/")["Location"] == CODES
        [said] = mailed("New recovery codes")
        assert said.startswith(alice.user.email)
        made = self.shown(desk)
        assert (len(made), set(made) & set(earlier)) == (10, set())
        client = browser()
        sign_in(client, alice)
        client.post(SECOND, {"code": earlier[0]})
        assert not is_in(client)

    def test_where_they_cannot_be_read_the_app_still_opens_and_new_ones_are_made(
        self, desk: Client, alice: Character, key: SecurityKey
    ) -> None:
        """The codes were made with the key, before the app."""
        Authenticator.objects.filter(type="recovery_codes").update(data={"seed": "of another SECRET_KEY"})
        code = code_of(set_up_app(desk, first=False), time.time() + 30)
        client = browser()
        sign_in(client, alice)
        assert client.post(SECOND, {"code": code}).status_code == 302
        assert "They can’t be read any more." in desk.get(CODES, follow=True).content.decode()
        assert "can’t be read" in desk.get(f"{CODES}new/").content.decode()
        assert desk.post(f"{CODES}new/").status_code == 302
        assert len(self.shown(desk)) == 10

    def shown(self, client: Client) -> list[str]:
        return re.findall(r"^(?:.*>)?(\d{8})$", client.get(CODES).content.decode(), re.MULTILINE)


class TestKeys:
    def test_one_signs_in_with_it_alone(self, alice: Character, key: SecurityKey) -> None:
        client = browser()
        options = ask(client)
        answer = client.post(PASSKEY, {"credential": key.get(options), "next": "/usage/"})
        assert answer["Location"] == "/usage/"
        assert is_in(client)
        assert told(alice, "member.signed_in") == ["member.signed_in"] * 2

    def test_or_after_the_password_and_an_answer_holds_once(self, alice: Character, key: SecurityKey) -> None:
        client = browser()
        sign_in(client, alice)
        answered = key.get(options_in(client.get(SECOND))["request_options"])
        session = dict(client.session)
        assert client.post(SECOND, {"credential": answered}).status_code == 302
        assert is_in(client)
        spelled = json.loads(answered)
        spelled["response"]["clientDataJSON"] += "!!!!"  # which decoders of base64 pass over
        for again in (answered, json.dumps(spelled)):
            other = browser()
            sign_in(other, alice)
            kept = other.session
            kept["mfa.webauthn.state"] = session["mfa.webauthn.state"]
            kept.save()
            assert "was not accepted" in other.post(SECOND, {"credential": again}).content.decode()

    def test_a_stolen_key_without_its_pin_signs_nobody_in_alone(
        self, alice: Character, mallory: Character, key: SecurityKey
    ) -> None:
        """Mallory asks for her own second step, where a PIN need not be, and answers in Alice's name instead."""
        thief = browser()
        sign_in(thief, mallory)
        show_it_is_me(thief)
        assert add_key(thief, SecurityKey(id=b"hers"), name="Hers").status_code == 302
        thief.post("/accounts/logout/")
        sign_in(thief, mallory)
        options = options_in(thief.get(SECOND))["request_options"]
        thief.post("/accounts/logout/")  # "Cancel", which leaves the question in the session
        key.asks = False
        thief.post(PASSKEY, {"credential": key.get(options)})
        assert not is_in(thief)
        key.asks = True
        assert client_in(key)

    @pytest.mark.parametrize("sent", ["", "{", "[]", "7", "{}", '{"response": 7}', '{"response": {"userHandle": "%"}}'])
    def test_whatever_is_sent_instead_of_an_answer_is_refused(self, sent: str, key: SecurityKey) -> None:
        client = browser()
        ask(client)
        assert client.post(PASSKEY, {"credential": sent})["Location"] == LOGIN

    def test_another_site_s_answer_is_refused(self, key: SecurityKey) -> None:
        key.origin = "http://localhost.evil.example"
        assert not client_in(key)

    def test_strangers_neither_see_rename_nor_remove_it(
        self, alice: Character, bob: Character, mallory: Character, key: SecurityKey
    ) -> None:
        row = Authenticator.objects.get(type="webauthn")
        for stranger in (bob, mallory):
            client = browser()
            sign_in(client, stranger)
            show_it_is_me(client)
            assert "Her key" not in client.get(SECURITY).content.decode()
            for address in (f"{KEYS}{row.pk}/", f"{KEYS}{row.pk}/remove/"):
                assert client.get(address).status_code == 404
                assert client.post(address, {"name": "Mine"}).status_code == 404
            assert client.post(f"{APP}remove/").status_code == 404
            assert client.get(CODES).status_code == 404
        assert client_in(key)

    def test_its_owner_does_and_is_told(self, desk: Client, alice: Character, key: SecurityKey, mailed: Mailed) -> None:
        row = Authenticator.objects.get(type="webauthn")
        assert desk.post(f"{KEYS}{row.pk}/", {"name": "The blue\none"}).status_code == 302
        assert "The blue" in desk.get(SECURITY).content.decode()
        assert desk.post(f"{KEYS}{row.pk}/remove/")["Location"] == SECURITY
        assert not client_in(key)
        assert told(alice, "member.factor") == ["member.factor_added"] * 2 + ["member.factor_removed"] * 2
        [said] = mailed("was removed")
        assert "The blue one" in said

    def test_it_shows_before_a_change_that_it_is_its_owner(
        self, desk: Client, alice: Character, key: SecurityKey, whole_minute: time_machine.Traveller
    ) -> None:
        whole_minute.shift(timedelta(hours=1))
        again = desk.get(APP)["Location"].replace("/code/", "/key/")
        options = options_in(desk.get(again))["request_options"]
        for _ in range(6):
            refused = desk.post(again, {"credential": SecurityKey(id=b"another").get(options)})
            assert "was not accepted" in refused.content.decode()
        assert told(alice, "member.sign_in_failed") == ["member.sign_in_failed"]
        options = options_in(refused)["request_options"]
        assert desk.post(again, {"credential": key.get(options)})["Location"] == APP
        assert desk.get(APP).status_code == 200

    def test_one_that_was_not_added_for_it_does_not_sign_in_alone(self, desk: Client, alice: Character) -> None:
        key = SecurityKey()
        add_key(desk, key)
        assert "without password" not in desk.get(SECURITY).content.decode()
        client = browser()
        refused = client.post(PASSKEY, {"credential": key.get(ask(client))}, follow=True)
        assert "for the step after the password" in refused.content.decode()
        sign_in(client, alice)
        answered = key.get(options_in(client.get(SECOND))["request_options"])
        assert client.post(SECOND, {"credential": answered}).status_code == 302

    def test_a_key_without_pin_is_no_passkey(self, desk: Client) -> None:
        answer = add_key(desk, SecurityKey(asks=False), passwordless="on")
        assert "was not accepted" in answer.content.decode()
        assert add_key(desk, SecurityKey(asks=False)).status_code == 302

    def test_the_session_lasts_as_long_as_was_chosen(self, key: SecurityKey) -> None:
        for remember, days in (("", 0), ("on", 14)):
            client = browser()
            options = ask(client)
            assert client.session.get_expiry_age() <= 900, "of a question that nobody answers"
            client.post(PASSKEY, {"credential": key.get(options), "remember": remember})
            assert is_in(client)
            assert client.cookies["sessionid"]["max-age"] == (days * 86_400 or "")

    def test_a_whole_office_signs_in_while_who_is_refused_waits(self, key: SecurityKey) -> None:
        for _ in range(16):
            assert client_in(key)
        client = browser()
        answers = [client.post(PASSKEY, {"credential": "{}"}).status_code for _ in range(31)]
        assert answers == [302] * 30 + [429]
        assert client.post(PASSKEY, {"credential": "{}"}, REMOTE_ADDR="").status_code == 302, "a Unix socket"

    def test_at_an_address_without_a_name_the_page_says_why_there_is_none(self, as_alice: Client) -> None:
        page = as_alice.get(SECURITY, SERVER_NAME="127.0.0.1").content.decode()
        assert "or is localhost" in page
        assert KEYS not in page


def test_with_the_first_factor_all_other_sessions_end(alice: Character, desk: Client) -> None:
    phone = browser()
    sign_in(phone, alice)
    set_up_app(desk)
    assert is_in(desk)
    assert not is_in(phone)


def test_nothing_but_post_changes_them(desk: Client, alice: Character, key: SecurityKey) -> None:
    set_up_app(desk, first=False)
    pk = Authenticator.objects.get(type="webauthn").pk
    kept = list(Authenticator.objects.order_by("pk").values_list("pk", "data"))
    for page in (APP, f"{APP}remove/", KEYS, f"{KEYS}{pk}/", f"{KEYS}{pk}/remove/", CODES, f"{CODES}new/"):
        for method in ("PUT", "PATCH", "DELETE"):
            assert desk.generic(method, page).status_code == 405, (method, page)
    assert list(Authenticator.objects.order_by("pk").values_list("pk", "data")) == kept


def test_nobody_changes_factors_without_showing_again_that_it_is_them(
    alice: Character, desk: Client, whole_minute: time_machine.Traveller
) -> None:
    whole_minute.shift(timedelta(hours=1))
    for address in (APP, KEYS, f"{CODES}new/"):
        for ask_for in (desk.get, desk.post):
            assert ask_for(address)["Location"].startswith("/accounts/again/")
    for _ in range(6):
        answer = desk.post("/accounts/again/", {"password": "a guess"})
    assert "Too many" in answer.content.decode()

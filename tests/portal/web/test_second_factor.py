"""Second factors: setting them up, signing in with them, and who can't."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from django.test import Client, override_settings
from django.utils import timezone

from tenants import scope
from tenants.models import AuditEntry
from tests.authenticator import SecurityKey, code_of
from tests.conftest import Character
from tests.portal.web.conftest import Mailed

pytestmark = pytest.mark.django_db
LOGIN, SECOND, PASSKEY = "/accounts/login/", "/accounts/login/second/", "/accounts/login/passkey/"
SECURITY, APP, KEYS = "/accounts/security/", "/accounts/security/app/", "/accounts/security/keys/"
CODES = "/accounts/security/codes/"
PASSWORD = "correct horse"
AT_NAME: dict[str, Any] = {"SERVER_NAME": "localhost"}


def browser() -> Client:
    return Client(**AT_NAME)


def sign_in(client: Client, who: Character) -> Any:
    return client.post(LOGIN, {"login": who.user.email, "password": PASSWORD})


def show_it_is_me(client: Client) -> None:
    assert client.post("/accounts/again/", {"password": PASSWORD}).status_code == 302


def options_in(page: Any) -> Any:
    return json.loads(re.search(r'id="passkey-options"[^>]*>(.*?)</script>', page.content.decode())[1])  # type: ignore[index]


def set_up_app(client: Client) -> str:
    """Returns the app's secret, as the page shows it."""
    page = client.get(APP).content.decode()
    secret = re.search(r'id="app-key">([A-Z2-7]+)<', page)
    assert secret is not None
    assert client.post(APP, {"code": code_of(secret[1], time.time() - 60)}).status_code == 200
    answer = client.post(APP, {"code": code_of(secret[1], time.time())})
    assert answer["Location"] == CODES
    return secret[1]


def add_key(client: Client, key: SecurityKey, **fields: str) -> Any:
    options = options_in(client.get(KEYS))["creation_options"]
    return client.post(KEYS, {"name": "Her key", "credential": key.create(options)} | fields)


def is_in(client: Client) -> bool:
    return client.get("/recordings/").status_code == 200


def told(who: Character, action: str = "member.") -> list[str]:
    with scope.bound(who.tenant.id):
        rows = AuditEntry.objects.filter(action__startswith=action).order_by("id")
        return list(rows.values_list("action", flat=True))


@pytest.fixture(autouse=True)
def whole_minute() -> Iterator[time_machine.Traveller]:
    """Codes change under the tests' hands only."""
    start = timezone.now().replace(second=10, microsecond=0)
    with time_machine.travel(start, tick=False) as clock:
        yield clock


@pytest.fixture(autouse=True)
def nothing_is_cached() -> Iterator[None]:
    """As of web processes that never answer the same browser twice."""
    with override_settings(CACHES={"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}):
        yield


@pytest.fixture
def desk(alice: Character) -> Client:
    """A browser in which Alice has just shown that it is her."""
    client = browser()
    sign_in(client, alice)
    show_it_is_me(client)
    return client


@pytest.fixture
def secret(desk: Client) -> str:
    return set_up_app(desk)


@pytest.fixture
def later(secret: str, whole_minute: time_machine.Traveller) -> float:
    """When codes of the set-up hold no longer."""
    whole_minute.shift(600)
    return time.time()


@pytest.fixture
def key(desk: Client) -> SecurityKey:
    key = SecurityKey()
    assert add_key(desk, key, passwordless="on").status_code == 302
    return key


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
        assert "member.factor_removed" in told(alice)


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

    def test_new_ones_end_the_earlier(self, desk: Client, alice: Character, secret: str) -> None:
        earlier = self.shown(desk)
        assert desk.post(f"{CODES}new/")["Location"] == CODES
        made = self.shown(desk)
        assert (len(made), set(made) & set(earlier)) == (10, set())
        client = browser()
        sign_in(client, alice)
        client.post(SECOND, {"code": earlier[0]})
        assert not is_in(client)

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
        other = browser()
        sign_in(other, alice)
        kept = other.session
        kept["mfa.webauthn.state"] = session["mfa.webauthn.state"]
        kept.save()
        assert "was not accepted" in other.post(SECOND, {"credential": answered}).content.decode()

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

    def test_a_key_without_pin_is_no_passkey(self, desk: Client) -> None:
        answer = add_key(desk, SecurityKey(asks=False), passwordless="on")
        assert "was not accepted" in answer.content.decode()
        assert add_key(desk, SecurityKey(asks=False)).status_code == 302

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


def ask(client: Client) -> Any:
    return client.get(PASSKEY, headers={"Accept": "application/json"}).json()["request_options"]


def client_in(key: SecurityKey) -> bool:
    """Returns whether a key opens alone."""
    client = browser()
    client.post(PASSKEY, {"credential": key.get(ask(client))})
    return is_in(client)

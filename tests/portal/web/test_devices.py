"""Where somebody is signed in: the page of one's devices, and mails about new ones."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
import time_machine
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.core import mail
from django.test import Client
from django.utils import timezone

from tenants import account_mails, scope, user_sessions
from tenants.models import AuditEntry
from tests.conftest import Character

pytestmark = pytest.mark.django_db
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Mobile/15E148 Safari/604.1"
)
PAGE, SIGN_OUT = "/accounts/devices/", "/accounts/devices/sign-out/"


def device(user_agent: str, address: str) -> Client:
    return Client(headers={"User-Agent": user_agent}, REMOTE_ADDR=address)


def sign_in(client: Client, who: Character) -> Any:
    answer = client.post("/accounts/login/", {"login": who.user.email, "password": "correct horse"})
    assert answer.status_code == 302
    return answer


def mailed() -> list[str]:
    """Waits until mails that were begun are sent; returns what they say."""
    account_mails.MAILS.submit(bool).result(10)
    return [str(one.body) for one in mail.outbox]


@pytest.fixture
def desk(alice: Character) -> Client:
    client = device(FIREFOX, "203.0.113.9")
    sign_in(client, alice)
    return client


@pytest.fixture
def phone(alice: Character, desk: Client) -> Client:
    client = device(SAFARI, "2001:db8::7")
    sign_in(client, alice)
    return client


def session_on(client: Client, name: str) -> str:
    """Returns what the page's button sends that signs out a device."""
    page = unescape(client.get(PAGE).content.decode())
    return page.split(f'aria-label="Sign out {name}')[0].rsplit('value="', 1)[1].split('"')[0]


def test_the_page_says_where_one_is_signed_in_and_which_device_this_is(desk: Client, phone: Client) -> None:
    page = unescape(desk.get(PAGE).content.decode())
    for text in ("Firefox on Windows", "203.0.113.9", "Mobile Safari on iOS", "2001:db8::7"):
        assert page.count(text) >= 1
    assert page.count("This device") == 1
    assert page.index("This device") > page.index("Firefox on Windows")


def test_a_device_is_signed_out_from_another_one_and_the_audit_log_says_so(
    desk: Client, phone: Client, alice: Character
) -> None:
    desk.post(SIGN_OUT, {"session": session_on(desk, "Mobile Safari")})
    assert phone.get("/recordings/").status_code == 302
    assert desk.get("/recordings/").status_code == 200
    with scope.bound(alice.tenant.id):
        entry = AuditEntry.objects.get(action="member.session_ended")
    assert (entry.actor_name, entry.address, entry.details["ended"]) == (
        alice.user.email,
        "203.0.113.9",
        "2001:db8::7",
    )


def test_all_others_are_signed_out_at_once(desk: Client, phone: Client) -> None:
    phone.post(SIGN_OUT, {"session": "others"})
    assert desk.get("/recordings/").status_code == 302
    assert phone.get("/recordings/").status_code == 200


def test_nobody_sees_or_ends_the_sessions_of_somebody_else(desk: Client, mallory: Character, bob: Character) -> None:
    hers = session_on_itself(desk)
    for stranger in (mallory, bob):
        other = device(SAFARI, "198.51.100.1")
        sign_in(other, stranger)
        assert "203.0.113.9" not in other.get(PAGE).content.decode()
        assert other.post(SIGN_OUT, {"session": hers}).status_code == 404
    assert desk.get("/recordings/").status_code == 200
    assert Client().get(PAGE).status_code == 302


def session_on_itself(client: Client) -> str:
    [row] = user_sessions.sessions_of(client.get("/recordings/").wsgi_request.user)  # type: ignore[arg-type]
    return str(row.pk)


def test_a_session_from_before_is_listed_once_it_is_used(client: Client, alice: Character) -> None:
    client.force_login(alice.user)
    client.get("/recordings/")
    assert "This device" in client.get(PAGE).content.decode()


def test_a_new_password_leaves_this_device_alone_on_the_list(desk: Client, phone: Client) -> None:
    passwords = {"oldpassword": "correct horse", "password1": "battery staple 9", "password2": "battery staple 9"}
    assert desk.post("/accounts/password/change/", passwords).status_code == 302
    page = desk.get(PAGE).content.decode()
    assert "This device" in page
    assert "Safari" not in page


def test_a_person_has_so_many_sessions_and_the_oldest_ends(
    desk: Client, phone: Client, alice: Character, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_sessions, "MOST", 2)
    third = device(FIREFOX, "192.0.2.3")
    sign_in(third, alice)
    assert [client.get("/recordings/").status_code for client in (desk, phone, third)] == [302, 200, 200]


def test_sessions_that_expired_are_forgotten_with_where_they_were_seen(desk: Client, phone: Client) -> None:
    Session.objects.filter(session_key=phone.session.session_key).update(expire_date=timezone.now())
    with time_machine.travel(timezone.now() + timedelta(hours=1)):
        assert user_sessions.forget_old() == 1
    assert Session.objects.get().session_key == desk.session.session_key
    assert [row.ip for row in UserSession.objects.all()] == ["203.0.113.9"]


class TestMails:
    def test_the_first_sign_in_of_all_is_not_told(self, desk: Client) -> None:
        assert mailed() == []

    def test_a_device_that_is_new_is_told_and_one_that_is_known_is_not(
        self, desk: Client, phone: Client, alice: Character
    ) -> None:
        [text] = mailed()
        for said in ("Mobile Safari on iOS", "2001:db8::7", PAGE):
            assert said in text
        assert re.search(r"^\d+ [A-Z][a-z]+ \d{4}, \d\d:\d\d UTC$", text, re.MULTILINE)
        assert mail.outbox[0].to == [alice.user.email]
        for client in (desk, phone):
            client.post("/accounts/logout/")
            sign_in(client, alice)
        assert len(mailed()) == 1

    def test_a_cookie_that_somebody_made_up_makes_no_device_known(self, desk: Client, alice: Character) -> None:
        forged = device(SAFARI, "2001:db8::7")
        forged.cookies["devices"] = desk.cookies["devices"].value.split(":")[0] + ":x:y"
        sign_in(forged, alice)
        assert len(mailed()) == 1

    def test_what_a_browser_says_of_itself_adds_no_line_to_the_mail(self, desk: Client, alice: Character) -> None:
        sign_in(device("Evil/1.0 (\r\nhttps://evil.example; Linux)", "2001:db8::7"), alice)
        assert "evil" not in mailed()[0].replace(alice.user.email, "").lower()

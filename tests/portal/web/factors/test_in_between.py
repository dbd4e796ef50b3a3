"""What changes while somebody is between the password and the second factor, or is kept out by others' guesses."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from allauth.mfa import stages
from allauth.mfa.models import Authenticator
from django.core import mail
from django.test import Client

from tenants import account_mails
from tests.authenticator import SecurityKey, code_of
from tests.conftest import Character
from tests.portal.web.factors.conftest import (
    KEYS,
    LOGIN,
    SECOND,
    browser,
    is_in,
    set_up_app,
    show_it_is_me,
    sign_in,
    told,
)

pytestmark = pytest.mark.django_db
NEW = "a horse of another colour"


def test_the_last_factor_is_removed_while_somebody_waits(desk: Client, alice: Character, key: SecurityKey) -> None:
    client = browser()
    sign_in(client, alice)
    desk.post(f"{KEYS}{Authenticator.objects.get(type='webauthn').pk}/remove/")
    page = client.get(SECOND, follow=True)
    assert page.redirect_chain == [(LOGIN, 302)]
    assert "Sign in again." in page.content.decode()
    sign_in(client, alice)
    assert is_in(client)


def test_the_first_factor_is_set_up_while_somebody_signs_in_with_the_password(
    desk: Client, alice: Character, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Just after it was asked whether there is one."""
    client, asked = browser(), stages.is_mfa_enabled

    def just_before(*arguments: Any) -> bool:
        answer: bool = asked(*arguments)
        monkeypatch.setattr(stages, "is_mfa_enabled", asked)
        set_up_app(desk)
        return answer

    monkeypatch.setattr(stages, "is_mfa_enabled", just_before)
    assert sign_in(client, alice)["Location"] == LOGIN
    assert not is_in(client)
    assert "Sign in again." in client.get(LOGIN).content.decode()
    assert sign_in(client, alice)["Location"] == SECOND
    assert told(alice, "member.signed_in") == ["member.signed_in"]


def test_the_password_is_changed_while_somebody_who_knew_it_waits(
    desk: Client, alice: Character, secret: str, later: float
) -> None:
    client = browser()
    sign_in(client, alice)
    form = {"oldpassword": "correct horse", "password1": NEW, "password2": NEW}
    assert desk.post("/accounts/password/change/", form).status_code == 302
    assert client.post(SECOND, {"code": code_of(secret, later)})["Location"] == LOGIN
    assert not is_in(client)


def test_who_is_kept_out_by_guesses_gets_in_with_a_new_password_once_a_day(
    desk: Client, alice: Character, secret: str, later: float
) -> None:
    guess(alice)
    code = code_of(secret, later)
    new_password(alice, NEW)
    client = browser()
    client.post(LOGIN, {"login": alice.user.email, "password": NEW})
    assert client.post(SECOND, {"code": code}).status_code == 302
    guess(alice, NEW)
    new_password(alice, NEW + "s")
    client = browser()
    client.post(LOGIN, {"login": alice.user.email, "password": NEW + "s"})
    assert "Too many" in client.post(SECOND, {"code": code_of(secret, later + 30)}).content.decode()


def test_a_reset_ends_what_others_guessed_and_codes_without_a_factor(
    as_alice: Client, alice: Character, bob: Character
) -> None:
    client = browser()
    sign_in(client, bob)
    show_it_is_me(client)
    set_up_app(client)
    guess(bob)
    assert as_alice.post(f"/people/{bob.member.pk}/second-factor/reset/").status_code == 302
    Authenticator.objects.create(user=bob.user, type="recovery_codes", data={"seed": "left over"})
    assert as_alice.post(f"/people/{bob.member.pk}/second-factor/reset/").status_code == 302
    assert not Authenticator.objects.exists()
    sign_in(client, bob)
    show_it_is_me(client)
    secret = set_up_app(client)
    other = browser()
    sign_in(other, bob)
    assert other.post(SECOND, {"code": code_of(secret, time.time() + 30)}).status_code == 302


def guess(who: Character, password: str = "correct horse") -> None:
    """Answers wrong until even right codes wait."""
    client = browser()
    client.post(LOGIN, {"login": who.user.email, "password": password})
    for number in range(6):
        answer = client.post(SECOND, {"code": f"{number:06}"})
    assert "Too many wrong answers" in answer.content.decode()


def new_password(who: Character, password: str) -> None:
    """Chooses one with the link from a mail."""
    client = browser()
    client.post("/accounts/password/reset/", {"email": who.user.email})
    account_mails.MAILS.submit(bool).result(10)
    [link] = re.findall(r"https?://[^/]+(/\S+/reset/key/\S+)", str(mail.outbox[-1].body))
    page = client.get(link, follow=True)
    form = {"password1": password, "password2": password}
    assert client.post(page.redirect_chain[-1][0], form).status_code == 302

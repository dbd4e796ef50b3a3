"""Browsers of people with second factors, and a clock that moves only when a test moves it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.test import Client, override_settings
from django.utils import timezone

from tenants import scope
from tenants.models import AuditEntry
from tests.authenticator import SecurityKey, code_of
from tests.conftest import Character

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


def set_up_app(client: Client, first: bool = True) -> str:
    """Returns the app's secret, as the page shows it."""
    page = client.get(APP).content.decode()
    secret = re.search(r'id="app-key">([A-Z2-7]+)<', page)
    assert secret is not None
    assert client.post(APP, {"code": code_of(secret[1], time.time() - 60)}).status_code == 200
    answer = client.post(APP, {"code": code_of(secret[1], time.time())})
    assert answer["Location"] == (CODES if first else SECURITY)
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


def ask(client: Client) -> Any:
    return client.get(PASSKEY, headers={"Accept": "application/json"}).json()["request_options"]


def client_in(key: SecurityKey) -> bool:
    """Returns whether a key opens alone."""
    client = browser()
    client.post(PASSKEY, {"credential": key.get(ask(client))})
    return is_in(client)


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

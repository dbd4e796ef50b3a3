"""What is safe on one machine only is refused where other machines reach the portal."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command

from portal.exposure import require_safe_settings

SAFE: dict[str, Any] = {
    "host": "0.0.0.0",
    "url": "https://portal.example",
    "debug": False,
    "allowed_hosts": ["portal.example"],
    "secret_key": "q8Tz0Vb2mN4kX7cR1wE5yU9iO3pA6sDf",
    "plain_http": False,
}
UNSAFE: dict[str, dict[str, Any]] = {
    "PORTAL_URL": {"url": "http://portal.example"},
    "DEBUG": {"debug": True},
    "ALLOWED_HOSTS": {"allowed_hosts": ["portal.example", "*"]},
    "SECRET_KEY": {"secret_key": "changeme"},
}


@pytest.mark.parametrize(("name", "change"), UNSAFE.items(), ids=list(UNSAFE))
def test_what_is_unsafe_is_named_with_the_way_out(name: str, change: dict[str, Any]) -> None:
    with pytest.raises(ImproperlyConfigured, match=name) as refused:
        require_safe_settings(**SAFE | change)
    assert len(str(refused.value).splitlines()) == 2


def test_all_of_it_is_named_at_once() -> None:
    with pytest.raises(ImproperlyConfigured) as refused:
        require_safe_settings(**{key: value for change in (SAFE, *UNSAFE.values()) for key, value in change.items()})
    assert all(name in str(refused.value) for name in UNSAFE)


def test_whoever_listens_to_all_and_names_no_address_is_refused_too() -> None:
    with pytest.raises(ImproperlyConfigured, match="PLAIN_HTTP=yes"):
        require_safe_settings(**SAFE | {"url": "http://127.0.0.1:8000"})


def test_an_address_that_is_none_is_named() -> None:
    with pytest.raises(ImproperlyConfigured, match="no address"):
        require_safe_settings(**SAFE | {"url": "https://[fd00::1"})


def test_a_start_for_others_is_refused_before_anything_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portal.management.commands.up.lock_folder", lambda *_: pytest.fail("it went on"))
    with pytest.raises(CommandError, match="PLAIN_HTTP=yes"):
        call_command("up", "--host", "0.0.0.0")


@pytest.mark.parametrize(
    "key", ["django-insecure-q8Tz0Vb2mN4kX7cR1wE5yU9iO3pA6sDf", "a" * 50], ids=["Django's own", "one character"]
)
def test_a_long_key_may_be_guessed_too(key: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY can be guessed"):
        require_safe_settings(**SAFE | {"secret_key": key})


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"secret_key": ""},
        {"url": "http://portal.example", "plain_http": True},
        {"url": "http://127.0.0.1:8000", "host": "127.0.0.1", "debug": True, "secret_key": "x", "allowed_hosts": ["*"]},
        {"url": "http://localhost:8000", "host": "::1", "debug": True},
    ],
    ids=["safe", "a key of our own", "plain HTTP by choice", "one machine", "one machine, by name"],
)
def test_what_is_safe_is_taken(change: dict[str, Any]) -> None:
    require_safe_settings(**SAFE | change)

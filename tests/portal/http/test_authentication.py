"""Who sends a request is asked once, from what its route takes, and asked again after a long body."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from channels.db import database_sync_to_async as in_thread
from django.conf import settings
from django.db import connections
from django.db.backends.signals import connection_created
from django.test import Client

from portal.asgi import application
from portal.http import receiving
from tenants import api_keys, scope
from tests.conftest import Character
from tests.portal.http.test_uploads import BOUNDARY, form

pytestmark = pytest.mark.django_db(transaction=True)
TUS = {
    "Tus-Resumable": "1.0.0",
    "Upload-Length": "6",
    "Content-Type": "application/offset+octet-stream",
}
PATHS = ["/v1/audio/transcriptions", "/api/v1/recordings", "/recordings/"]


@contextmanager
def queries_noted() -> Iterator[list[str]]:
    """Every query of every thread whose connection is opened meanwhile."""
    noted: list[str] = []

    def note(execute: Callable[..., Any], sql: str, *arguments: Any) -> Any:
        noted.append(sql)
        return execute(sql, *arguments)

    def watch(connection: Any, **_more: Any) -> None:
        connection.execute_wrappers.append(note)

    connections.close_all()
    connection_created.connect(watch)
    try:
        yield noted
    finally:
        connection_created.disconnect(watch)


def asked(noted: list[str], table: str) -> int:
    return sum(sql.startswith("SELECT") and f'FROM "{table}"' in sql for sql in noted)


def browser_of(who: Character) -> dict[str, str]:
    """The cookies of a signed-in member, with the token of a page's forms."""
    browser = Client()
    browser.force_login(who.user)
    token = "t" * 32
    session = browser.cookies[settings.SESSION_COOKIE_NAME].value
    return {"Cookie": f"{settings.SESSION_COOKIE_NAME}={session}; csrftoken={token}", "X-CSRFToken": token}


@contextmanager
def portal() -> Iterator[httpx.AsyncClient]:
    yield httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://testserver")


async def send(http: httpx.AsyncClient, path: str, headers: dict[str, str]) -> httpx.Response:
    return await http.post(path, files={"file": ("a.wav", b"no sound")}, data={"model": "whisper-1"}, headers=headers)


@pytest.mark.parametrize("path", PATHS[:2])
async def test_a_key_is_looked_for_once_though_a_body_comes_between(path: str, alice: Character) -> None:
    with portal() as http, queries_noted() as noted:
        answer = await send(http, path, alice.bearer)
    assert answer.status_code in (400, 415, 422), "the file was looked at"
    assert asked(noted, "tenants_apikey") == 1


async def test_a_session_is_looked_for_once_where_a_page_sends_a_file(alice: Character) -> None:
    headers = await in_thread(browser_of)(alice)
    with portal() as http, queries_noted() as noted:
        answer = await send(http, "/recordings/", headers)
    assert answer.status_code not in (302, 401, 403)
    assert asked(noted, "tenants_member") == 1


async def test_a_page_s_resumable_upload_is_asked_for_its_sender_once(alice: Character) -> None:
    headers = TUS | await in_thread(browser_of)(alice)
    with portal() as http, queries_noted() as noted:
        answer = await http.post("/api/v1/uploads", content=b"sound", headers=headers)
    assert answer.status_code == 201, answer.text
    assert asked(noted, "django_session") == 1


@pytest.mark.parametrize("path", PATHS[:2])
async def test_a_session_opens_no_route_of_keys(path: str, alice: Character) -> None:
    headers = await in_thread(browser_of)(alice)
    with portal() as http:
        answer = await send(http, path, headers)
    assert answer.status_code == 401


async def test_a_key_opens_no_page(alice: Character) -> None:
    with portal() as http:
        answer = await send(http, "/recordings/", alice.bearer | {"X-Requested-With": "XMLHttpRequest"})
    assert answer.status_code in (401, 403)


async def test_two_keys_at_once_are_nobody_s(alice: Character, mallory: Character) -> None:
    both = [("Authorization", f"Bearer {who.secret}") for who in (alice, mallory)]
    with portal() as http:
        answer = await http.get("/api/v1/recordings", headers=both)
    assert answer.status_code == 401


@pytest.mark.parametrize("path", PATHS[:2])
async def test_a_key_that_is_revoked_while_a_long_body_comes_creates_nothing(
    path: str, alice: Character, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiving, "RECHECK_SECONDS", 0.0)
    body = form(b"no sound", model="whisper-1")

    async def slowly() -> Any:
        yield body[:50]
        await in_thread(revoke)(alice)
        yield body[50:]

    headers = alice.bearer | {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    with portal() as http:
        answer = await http.post(path, content=slowly(), headers=headers)
    assert answer.status_code == 401


async def test_what_a_refused_key_is_told_is_in_the_language_of_the_request(alice: Character) -> None:
    await in_thread(allow_only)(alice, "203.0.113.9")
    headers = alice.bearer | {"Accept-Language": "zh-hans"}
    with portal() as http:
        answers = [await http.get("/api/v1/recordings", headers=headers), await send(http, PATHS[1], headers)]
    assert [answer.status_code for answer in answers] == [403, 403]
    assert answers[0].json()["detail"] == answers[1].json()["detail"]
    assert "This key" not in answers[0].json()["detail"]


def revoke(who: Character) -> None:
    with scope.bound(who.tenant.id):
        for key in api_keys.keys(who.actor):
            api_keys.revoke(who.actor, key.id)


def allow_only(who: Character, address: str) -> None:
    with scope.bound(who.tenant.id):
        api_keys.change(who.actor, api_keys.keys(who.actor)[0].id, {"addresses": [address]})

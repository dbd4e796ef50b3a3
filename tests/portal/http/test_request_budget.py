"""Requests a minute in both APIs: counted once, refused before a body, and understood by the SDK."""

from __future__ import annotations

import time
from typing import Any, cast

import httpx
import openai
import pytest
from channels.db import database_sync_to_async as in_thread
from django.test import Client

from portal.asgi import application
from tenants.models import Quota, RequestBudget
from tests.conftest import Character
from tests.portal.http.test_uploads import Client as Uploader
from tests.portal.http.test_uploads import form

NATIVE, OPENAI = "/api/v1/recordings", "/v1/models"


def allow(who: Character, limit: int) -> None:
    Quota.objects.filter(tenant=who.tenant).update(requests_per_minute=limit)


def use_up(who: Character, seconds_ahead: float = 60.0) -> None:
    """No room until the bucket has run `seconds_ahead` minus a minute further dry."""
    RequestBudget.objects.update_or_create(tenant=who.tenant, defaults={"empty_at": time.time() + seconds_ahead})


@pytest.mark.django_db(transaction=True)
class TestBothApis:
    def test_the_native_one_answers_with_a_problem(self, alice: Character, client: Client) -> None:
        allow(alice, 2)
        assert [client.get(NATIVE, headers=alice.bearer).status_code for _ in range(2)] == [200, 200]
        refused = client.get(NATIVE, headers=alice.bearer)
        assert refused.status_code == 429
        assert refused.headers["Content-Type"] == "application/problem+json"
        assert 25 <= int(refused.headers["Retry-After"]) <= 30
        body = refused.json()
        assert (body["code"], body["limit"], body["status"]) == ("too_many_requests", 2, 429)

    def test_openais_answers_with_openais_body(self, alice: Character, client: Client) -> None:
        allow(alice, 1)
        assert client.get(OPENAI, headers=alice.bearer).status_code == 200
        refused = client.get(OPENAI, headers=alice.bearer)
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "60")
        assert "x-should-retry" not in refused.headers
        error = refused.json()["error"]
        assert (error["type"], error["param"], error["code"]) == ("requests", None, "rate_limit_exceeded")

    def test_they_share_one_budget_and_tenants_do_not(
        self, alice: Character, mallory: Character, client: Client
    ) -> None:
        allow(alice, 1)
        assert client.get(OPENAI, headers=alice.bearer).status_code == 200
        assert client.get(NATIVE, headers=alice.bearer).status_code == 429
        assert client.get(NATIVE, headers=mallory.bearer).status_code == 200

    def test_who_has_no_key_costs_nobody_anything(self, alice: Character, client: Client) -> None:
        allow(alice, 1)
        for _ in range(3):
            assert client.get(NATIVE, headers={"Authorization": f"{alice.bearer['Authorization']}x"}).status_code == 401
        assert client.get(NATIVE, headers=alice.bearer).status_code == 200

    def test_people_in_the_portal_are_not_limited(self, alice: Character, client: Client) -> None:
        use_up(alice)
        client.force_login(alice.user)
        assert client.get("/recordings/").status_code == 200


@pytest.mark.django_db(transaction=True)
class TestUploads:
    async def test_are_refused_before_the_body_is_read(self, alice: Character) -> None:
        await in_thread(use_up)(alice, 600.0)
        uploader = Uploader(alice.secret)
        await uploader.post(form(bytes(40_000_000)))
        assert uploader.outcome is None
        assert uploader.read < 5_000_000, "no more than lets the client see the answer"
        async with _client() as http:
            answer = await _upload(http, "/v1/audio/transcriptions", alice)
        assert answer.status_code == 429
        assert answer.json()["error"]["code"] == "rate_limit_exceeded"

    @pytest.mark.parametrize("path", ["/v1/audio/transcriptions", "/api/v1/recordings"])
    async def test_are_counted_once(self, path: str, alice: Character) -> None:
        await in_thread(allow)(alice, 3)
        async with _client() as http:
            statuses = [(await _upload(http, path, alice)).status_code for _ in range(4)]
        assert [status == 429 for status in statuses] == [False, False, False, True]

    async def test_the_sdk_waits_and_tries_again(self, alice: Character) -> None:
        await in_thread(allow)(alice, 60)
        await in_thread(use_up)(alice)
        client = openai.AsyncOpenAI(
            base_url="http://testserver/v1", api_key=alice.secret, http_client=cast(Any, _client())
        )
        begin = time.monotonic()
        assert (await client.models.list()).data
        assert time.monotonic() - begin > 0.5
        await in_thread(use_up)(alice, 600.0)
        with pytest.raises(openai.RateLimitError) as refusal:
            await client.with_options(max_retries=0).models.list()
        assert refusal.value.code == "rate_limit_exceeded"


async def _upload(http: httpx.AsyncClient, path: str, who: Character) -> httpx.Response:
    return await http.post(path, files={"file": ("a.wav", b"")}, data={"model": "base"}, headers=who.bearer)


def _client() -> httpx.AsyncClient:
    transport = httpx.ASGITransport(application)
    return httpx.AsyncClient(transport=transport, base_url="http://testserver")

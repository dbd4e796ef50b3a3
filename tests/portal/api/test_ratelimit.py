"""What each answer says of the requests a minute: the draft's fields, its older ones, and OpenAI's."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from channels.db import database_sync_to_async as in_thread
from django.test import Client

from portal.asgi import application
from portal.http import rate_limit
from tenants.models import Quota, RequestBudget
from tenants.rate_limit import Allowance, TooManyRequests
from tests.conftest import Character
from tests.portal.api.characters import bearer

pytestmark = pytest.mark.django_db(transaction=True)
NATIVE, OPENAI = "/api/v1/recordings", "/v1/models"


def allow(who: Character, limit: int) -> None:
    Quota.objects.filter(tenant=who.tenant).update(requests_per_minute=limit)


def told(answer: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.headers.items() if "ratelimit" in name.lower()}


@pytest.mark.parametrize("path", [NATIVE, OPENAI])
def test_an_answer_says_what_is_left(path: str, alice: Character, client: Client) -> None:
    allow(alice, 4)
    first, second = (told(client.get(path, headers=alice.bearer)) for _ in range(2))
    assert first == {
        "ratelimit-policy": '"requests";q=4;w=60',
        "ratelimit": '"requests";r=3;t=15',
        "ratelimit-limit": "4",
        "ratelimit-remaining": "3",
        "ratelimit-reset": "15",
        "x-ratelimit-limit-requests": "4",
        "x-ratelimit-remaining-requests": "3",
        "x-ratelimit-reset-requests": "15s",
    }
    assert (second["ratelimit-remaining"], second["ratelimit-reset"]) == ("2", "30")


@pytest.mark.parametrize("path", [NATIVE, OPENAI])
def test_a_refusal_says_when_to_come_again(path: str, alice: Character, client: Client) -> None:
    allow(alice, 2)
    answers = [client.get(path, headers=alice.bearer) for _ in range(3)]
    refused = answers[-1]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    headers = told(refused)
    assert headers["ratelimit-remaining"] == headers["x-ratelimit-remaining-requests"] == "0"
    assert headers["ratelimit-reset"] == refused.headers["Retry-After"]
    assert headers["ratelimit"] == f'"requests";r=0;t={refused.headers["Retry-After"]}'


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/recordings/00000000-0000-4000-8000-000000000000", 404),
        ("POST", "/api/v1/keys", 403),
        ("PUT", "/api/v1/recordings", 405),
        ("GET", "/v1/models/nobody", 404),
    ],
)
def test_errors_say_it_too(method: str, path: str, status: int, alice: Character, client: Client) -> None:
    answer = client.generic(method, path, b"{}", content_type="application/json", headers=bearer(alice, "write"))
    assert answer.status_code == status
    assert len(told(answer)) == 8


async def test_uploads_are_told_once_counted_before_their_body(alice: Character) -> None:
    await in_thread(allow)(alice, 10)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://testserver") as http:
        for left in (9, 8):
            answer = await http.post(NATIVE, files={"file": ("a.wav", b"")}, headers=alice.bearer)
            assert (answer.status_code, told(answer)["ratelimit-remaining"]) == (400, str(left))


def test_who_is_not_counted_is_told_nothing(alice: Character, client: Client) -> None:
    assert told(client.get(NATIVE)) == {}
    client.force_login(alice.user)
    assert told(client.get("/recordings/")) == {}
    assert not RequestBudget.objects.exists()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0ms"), (0.12, "120ms"), (0.9999, "1s"), (8.64, "8.64s"), (59.9999, "1m0s"), (60.0, "1m0s")],
)
def test_durations_are_written_as_openai_does(seconds: float, text: str) -> None:
    assert rate_limit.duration(seconds) == text


def test_a_full_bucket_is_never_said_to_have_room_again_later_than_it_has() -> None:
    idle = rate_limit.headers_of(Allowance(limit=600, remaining=599, full_after=0.1))
    assert idle["RateLimit"] == '"requests";r=599;t=1'
    full = rate_limit.headers_of(TooManyRequests(retry_after=0.02, limit=600, full_after=60.0))
    assert full["RateLimit"] == '"requests";r=0;t=1'

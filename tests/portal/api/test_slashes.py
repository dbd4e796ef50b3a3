"""A slash at the end of an address: every route of the APIs takes it, and no POST becomes a GET."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from portal.asgi import application
from tests.conftest import Character

pytestmark = pytest.mark.django_db(transaction=True)


def addresses(resolver: URLResolver, prefix: str = "/") -> Iterator[str]:
    for entry in resolver.url_patterns:
        route = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from addresses(entry, route)
        elif isinstance(entry, URLPattern) and route.startswith(("/v1/", "/api/v1/")):
            yield re.sub(r"<(\w+):\w+>", lambda kind: "3" if kind[1] == "int" else str(uuid4()), route)


async def test_every_route_of_the_apis_answers_with_and_without_it(alice: Character) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://testserver") as client:
        for address in addresses(get_resolver()):
            for headers in ({}, alice.bearer):
                without = await client.options(address, headers=headers)
                answer = await client.options(f"{address}/", headers=headers)
                assert (answer.status_code, answer.content) == (without.status_code, without.content), address
                assert not answer.is_redirect


@pytest.mark.parametrize("address", ["/v1/models/", "/v1/models/whisper-1/", "/api/v1/recordings/", "/health/"])
async def test_it_changes_no_answer(alice: Character, address: str) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://testserver") as client:
        answers = [await client.get(there, headers=alice.bearer) for there in (address, address.rstrip("/"))]
    assert answers[0].status_code == answers[1].status_code != 404


async def test_a_file_is_taken_there(alice: Character, fox: Path) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://testserver") as client:
        files = {"file": ("fox.wav", fox.read_bytes())}
        answer = await client.post("/api/v1/recordings/", files=files, headers=alice.bearer)
    assert answer.status_code == 201, answer.text


async def test_a_page_s_address_without_its_slash_keeps_the_method(alice: Character) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://testserver") as client:
        answer = await client.post("/recordings", data={"a": "b"})
    assert (answer.status_code, answer.headers["location"]) == (308, "/recordings/")


async def test_what_is_nowhere_is_a_problem_with_a_slash_too(alice: Character) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://testserver") as client:
        for address in ("/api/v1/nothing/", "/api/v1/uploads//", "/v1/nothing/"):
            answer = await client.post(address, headers=alice.bearer)
            assert answer.status_code == 404
            assert answer.headers["content-type"] in ("application/problem+json", "application/json")

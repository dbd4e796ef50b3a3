"""Pages of other sites: those on the list may call the APIs with a key, and read every answer; nobody else may."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from channels.db import database_sync_to_async as in_thread
from django.conf import LazySettings
from django.test import Client

from portal.asgi import application
from portal.checks import allowed_origins_are_origins
from portal.http.cors import RESPONSE_HEADERS
from tenants.models import Quota
from tests.conftest import Character
from tests.stack import ROOT
from tests.transcription.uploads.conftest import encoded

pytestmark = pytest.mark.django_db(transaction=True)
APP, STRANGER = "https://app.example.com", "https://evil.example.com"
ALLOW = "access-control-allow-origin"
CHUNK = {"Content-Type": "application/offset+octet-stream", "Tus-Resumable": "1.0.0"}
UPLOADS = "/api/v1/uploads"


@pytest.fixture(autouse=True)
def allowed(settings: LazySettings) -> None:
    settings.CORS_ALLOWED_ORIGINS = [APP]


@pytest_asyncio.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=application)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        yield client


def cors_headers(answer: httpx.Response) -> list[str]:
    return [name for name in answer.headers if name.startswith("access-control")]


async def preflight(http: httpx.AsyncClient, path: str, origin: str = APP, method: str = "POST") -> httpx.Response:
    asked = {"Origin": origin, "Access-Control-Request-Method": method}
    return await http.options(path, headers=asked | {"Access-Control-Request-Headers": "authorization, upload-offset"})


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/audio/transcriptions"),
        ("GET", "/v1/models"),
        ("POST", "/api/v1/recordings"),
        ("POST", UPLOADS),
        ("PATCH", f"{UPLOADS}/00000000-0000-4000-8000-000000000000"),
        ("DELETE", "/api/v1/recordings/00000000-0000-4000-8000-000000000000"),
    ],
)
async def test_a_preflight_is_answered_without_a_key(http: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await preflight(http, path, method=method)
    assert (answer.status_code, answer.headers[ALLOW]) == (200, APP)
    assert method in answer.headers["access-control-allow-methods"].split(", ")
    taken = set(answer.headers["access-control-allow-headers"].split(", "))
    assert {"authorization", "content-type", "idempotency-key", "if-match", "tus-resumable", "upload-offset"} <= taken
    assert {"upload-length", "upload-metadata", "x-http-method-override", "x-stainless-os"} <= taken
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("path", ["/v1/models", "/api/v1/recordings", UPLOADS, "/v1/audio/transcriptions"])
async def test_a_stranger_s_page_is_allowed_nothing(http: httpx.AsyncClient, path: str, alice: Character) -> None:
    for origin in (STRANGER, "null", "http://app.example.com", "https://app.example.com.evil.example", f"{APP}:8443"):
        assert cors_headers(await preflight(http, path, origin)) == []
        answer = await http.get(path, headers=alice.bearer | {"Origin": origin})
        assert (cors_headers(answer), "origin" in answer.headers["vary"].lower()) == ([], True)


@pytest.mark.parametrize("path", ["/", "/recordings/", "/accounts/login/", "/admin/", "/health", "/tenant/", "/v1x"])
async def test_pages_media_and_the_admin_are_no_site_s_but_ours(http: httpx.AsyncClient, path: str) -> None:
    assert cors_headers(await preflight(http, path)) == []
    assert cors_headers(await http.get(path, headers={"Origin": APP})) == []


async def test_every_answer_can_be_read_with_what_its_headers_say(http: httpx.AsyncClient, alice: Character) -> None:
    mine = alice.bearer | {"Origin": APP}
    metadata = encoded(filename="a.wav", filetype="audio/wav")
    made = await http.post(UPLOADS, headers=mine | CHUNK | {"Upload-Length": "9", "Upload-Metadata": metadata})
    assert made.status_code == 201
    sent = await http.patch(made.headers["location"], content=b"RIFF", headers=mine | CHUNK | {"Upload-Offset": "0"})
    assert (sent.status_code, sent.headers["upload-offset"]) == (204, "4")
    models = await http.get("/v1/models", headers=mine)
    for answer in (made, sent, models, await http.options(UPLOADS, headers=mine)):
        assert answer.headers[ALLOW] == APP
        assert "access-control-allow-credentials" not in answer.headers
        shown = set(answer.headers["access-control-expose-headers"].lower().split(", "))
        ours = {name for name in answer.headers if name.startswith(("upload-", "tus-", "x-r", "x-i", "ratelimit"))}
        assert ours | {"location", "etag", "retry-after", "x-ignored-parameters"} <= shown


def test_every_header_that_the_apis_answer_with_can_be_read() -> None:
    shown = {name.lower() for name in RESPONSE_HEADERS}
    for path in (ROOT / "portal" / "api").rglob("*.py"):
        written = {name.lower() for name in re.findall(r'"(X-[A-Za-z-]+)"', path.read_text(), re.IGNORECASE)}
        assert written - {"x-http-method-override", "x-accel-buffering", "x-accel-redirect"} <= shown, path


async def refusals(http: httpx.AsyncClient, alice: Character) -> AsyncIterator[tuple[int, httpx.Response]]:
    """Those of the middleware in front of Django, which read no body."""
    mine, site = alice.bearer | {"Origin": APP}, {"Origin": APP}
    form = {"file": ("a.wav", bytes(400_000))}
    yield 401, await http.post("/v1/audio/transcriptions", files=form, headers=site)
    yield 401, await http.post("/api/v1/recordings", files=form, headers=site | {"Authorization": "Bearer wp_wrong"})
    yield 401, await http.post(UPLOADS, content=b"x", headers=site | CHUNK | {"Upload-Length": "9"})
    yield 400, await http.post("/v1/audio/transcriptions", content=b"no form", headers=mine)
    yield 412, await http.post(UPLOADS, headers=mine | {"Upload-Length": "9"})
    unknown = f"{UPLOADS}/00000000-0000-4000-8000-000000000000"
    yield 404, await http.patch(unknown, content=b"x", headers=mine | CHUNK | {"Upload-Offset": "0"})
    await in_thread(Quota.objects.filter(tenant=alice.tenant).update)(upload_bytes=1000)
    yield 413, await http.post("/v1/audio/transcriptions", files=form, headers=mine)
    yield 413, await http.post("/api/v1/recordings", files=form, headers=mine)
    yield 413, await http.post(UPLOADS, content=b"x", headers=mine | CHUNK | {"Upload-Length": "5000"})
    await in_thread(Quota.objects.filter(tenant=alice.tenant).update)(requests_per_minute=1)
    yield 429, await http.post("/v1/audio/transcriptions", files=form, headers=mine)
    yield 429, await http.post("/api/v1/recordings", files=form, headers=mine)
    yield 429, await http.post(UPLOADS, content=b"x", headers=mine | CHUNK | {"Upload-Length": "9"})


async def test_refusals_before_a_body_is_read_can_be_read_too(http: httpx.AsyncClient, alice: Character) -> None:
    async for status, answer in refusals(http, alice):
        assert (answer.status_code, answer.headers.get(ALLOW)) == (status, APP), answer.text
        assert "retry-after" in answer.headers["access-control-expose-headers"].lower()


async def test_a_session_s_cookie_opens_nothing_to_another_site(http: httpx.AsyncClient, alice: Character) -> None:
    """Whatever the browser sends along, it gives the page nothing to read, and no change goes without the token."""
    browser = Client()
    await in_thread(browser.force_login)(alice.user)
    http.cookies = httpx.Cookies({name: morsel.value for name, morsel in browser.cookies.items()})
    answer = await http.get(UPLOADS, headers={"Origin": APP})
    assert (answer.status_code, answer.headers.get("access-control-allow-credentials")) == (200, None)
    sent = CHUNK | {"Origin": APP, "Upload-Length": "9"}
    assert (await http.post(UPLOADS, content=b"x", headers=sent)).status_code == 403


@pytest.mark.parametrize("path", ["/v1/models", "/api/v1/recordings", UPLOADS])
async def test_without_a_list_nothing_is_different(http: httpx.AsyncClient, settings: Any, path: str) -> None:
    settings.CORS_ALLOWED_ORIGINS = []
    plain = await http.options(path)
    asked = await preflight(http, path)
    assert (cors_headers(asked), asked.status_code) == ([], plain.status_code)
    assert "origin" not in plain.headers.get("vary", "").lower()


@pytest.mark.parametrize(
    "origin",
    [
        *("*", "null", "app.example.com", "https://app.example.com/", "https://App.example.com", "https://a.b:443"),
        *("https://user@a.b", "http://a.b:80", "https://*.example.com", "https://a b", "file://", "https://a.b?x"),
    ],
)
def test_what_is_no_origin_is_an_error_of_the_settings(origin: str, settings: Any) -> None:
    settings.CORS_ALLOWED_ORIGINS = [APP, origin]
    [message] = allowed_origins_are_origins()
    assert (message.id, repr(origin) in message.msg) == ("portal.E002", True)


def test_origins_of_sites_and_apps_are_taken(settings: Any) -> None:
    settings.CORS_ALLOWED_ORIGINS = [APP, "http://localhost:5173", "http://[::1]:3000", "capacitor://localhost"]
    assert allowed_origins_are_origins() == []

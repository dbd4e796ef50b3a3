"""Whoever is slow in one web process keeps only their own kind waiting."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from asgiref.sync import sync_to_async
from django.conf import LazySettings

from portal.asgi import application
from portal.http.authentication import claimed_identity
from portal.http.thread_pools import REQUEST_THREADS, REQUESTS, UPLOAD_THREADS, UPLOADS, thread_user
from tenants import scope
from tests.conftest import Character, MakeMedia
from tests.transcription.finishing import finish
from transcription import media
from transcription.intake import probe as intake_probe
from transcription.media import storage
from transcription.models import Transcription
from transcription.uploads import bucket

pytestmark = pytest.mark.django_db(transaction=True)
PATIENCE_SECONDS = 60
NOBODY = "00000000-0000-4000-8000-000000000000"


class Slow:
    """Something that takes until `end`: then everything it held up goes on."""

    def __init__(self) -> None:
        self._begun, self._over = threading.Semaphore(0), threading.Event()

    def down(self, work: Callable[..., Any]) -> Callable[..., Any]:
        """`work`, but slow."""

        def slowly(*arguments: Any) -> Any:
            self._begun.release()
            assert self._over.wait(2 * PATIENCE_SECONDS)
            return work(*arguments)

        return slowly

    async def is_busy(self, count: int) -> None:
        """Returns once so many calls are under way."""
        for _ in range(count):
            assert await asyncio.to_thread(self._begun.acquire, timeout=PATIENCE_SECONDS)

    def end(self) -> None:
        self._over.set()


def test_strangers_at_a_link_share_threads_by_address_whatever_they_send() -> None:
    def identity(path: str, name: bytes, client: str = "203.0.113.9") -> object:
        headers = [(b"authorization", name), (b"cookie", b"sessionid=" + name)]
        return claimed_identity({"type": "http", "path": path, "headers": headers, "client": (client, 1)})

    assert identity("/s/secret/lines", b"one") == identity("/s/secret/lines", b"other")
    assert identity("/s/secret/lines", b"one") != identity("/s/secret/lines", b"one", "203.0.113.10")
    assert identity("/v1/models", b"one") != identity("/v1/models", b"other")


@pytest.fixture
def slow() -> Iterator[Slow]:
    found = Slow()
    yield found
    found.end()


@pytest_asyncio.fixture
async def http(alice: Character) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=application)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver", headers=alice.bearer) as client:
        yield client


def sound(make_media: MakeMedia, pitch: int) -> Path:
    """Short, and nobody else's."""
    return make_media(f"{pitch}.wav", "-f", "lavfi", "-i", f"sine=frequency={pitch}:duration=1")


@sync_to_async
def finish_the_clip(who: Character) -> bool:
    """False while it was not accepted yet."""
    with scope.bound(who.tenant.id):
        row = Transcription.objects.filter(waiters=1).first()
        if row is not None:
            finish(row)
    return row is not None


async def test_a_short_clip_does_not_wait_for_files_that_are_being_stored(
    http: httpx.AsyncClient, alice: Character, make_media: MakeMedia, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def send(path: Path, place: str, **fields: str) -> httpx.Response:
        return await http.post(place, data=fields, files={"file": (path.name, path.read_bytes())}, timeout=120)

    files = [sound(make_media, 300 + number) for number in range(UPLOAD_THREADS + 2)]
    with monkeypatch.context() as patch:
        patch.setattr(storage, "save", slow.down(storage.save))
        stored = [asyncio.create_task(send(path, "/api/v1/recordings")) for path in files]
        await slow.is_busy(UPLOADS.share)
    clip = sound(make_media, 900)
    asked = asyncio.create_task(send(clip, "/v1/audio/transcriptions", model="whisper-1"))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await finish_the_clip(alice):
            await asyncio.sleep(0.05)
        assert (await asked).status_code == 200
    slow.end()
    assert {answer.status_code for answer in await asyncio.gather(*stored)} == {201}


async def test_a_tenants_slow_files_do_not_keep_another_ones_clip_waiting(
    http: httpx.AsyncClient, alice: Character, mallory: Character, make_media: MakeMedia, fox: Path, slow: Slow,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    probe, silent = media.probe, sound(make_media, 400).read_bytes()
    slowly = slow.down(probe)

    def probe_hers_slowly(path: Path, *limits: Any) -> media.Probe:
        found: media.Probe = (slowly if path.read_bytes() == silent else probe)(path, *limits)
        return found

    monkeypatch.setattr(media, "probe", probe_hers_slowly)

    async def send(who: Character, place: str, content: bytes) -> httpx.Response:
        options = {"model": "whisper-1", "temperature": "0.5"}
        file = {"file": ("a.wav", content)}
        return await http.post(place, data=options, files=file, headers=who.bearer, timeout=120)

    places = ["/v1/audio/transcriptions", "/api/v1/recordings"]
    hers = [asyncio.create_task(send(mallory, place, silent)) for place in places for _ in range(UPLOAD_THREADS + 2)]
    await slow.is_busy(intake_probe.PROBES.share)
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert (await send(alice, "/api/v1/recordings", fox.read_bytes())).status_code == 201
        asked = asyncio.create_task(send(alice, "/v1/audio/transcriptions", fox.read_bytes()))
        while not await finish_the_clip(alice):
            await asyncio.sleep(0.05)
        assert (await asked).status_code == 200
    slow.end()
    for task in hers[: UPLOAD_THREADS + 2]:
        task.cancel()
    await asyncio.gather(*hers, return_exceptions=True)


async def test_a_file_that_waits_too_long_for_its_probe_is_refused_for_now(
    http: httpx.AsyncClient, alice: Character, fox: Path, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media, "probe", slow.down(media.probe))
    monkeypatch.setattr(intake_probe, "WAIT_SECONDS", 0.05)

    async def send(place: str) -> httpx.Response:
        return await http.post(
            place, data={"model": "base", "temperature": "1"}, files={"file": ("a.wav", fox.read_bytes())}
        )

    first = [asyncio.create_task(send("/api/v1/recordings")) for _ in range(intake_probe.PROBES.share)]
    await slow.is_busy(intake_probe.PROBES.share)
    for place in ("/api/v1/recordings", "/v1/audio/transcriptions"):
        refused = await send(place)
        assert (refused.status_code, "retry-after" in refused.headers) == (503, True), refused.text
        assert "busy" in refused.text
    slow.end()
    assert {answer.status_code for answer in await asyncio.gather(*first)} == {201}


async def test_one_caller_never_has_all_threads(slow: Slow) -> None:
    thread_user.set("mallory")
    hers = [REQUESTS.submit(slow.down(lambda: None)) for _ in range(2 * REQUEST_THREADS)]
    await slow.is_busy(REQUESTS.share)
    thread_user.set("alice")
    assert REQUESTS.submit(lambda: "hers").result(PATIENCE_SECONDS) == "hers"
    assert hers[-1].cancel()
    slow.end()
    assert [one.result(PATIENCE_SECONDS) for one in hers[:-1]] == [None] * (2 * REQUEST_THREADS - 1)


async def test_a_slow_object_storage_does_not_keep_other_requests_waiting(
    http: httpx.AsyncClient, alice: Character, slow: Slow, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"bucket_name": "media", "access_key": "a", "secret_key": "b", "region_name": "eu-central-1"}
    backend = {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "default": backend}
    monkeypatch.setattr(bucket, "begin", slow.down(lambda _key: "1"))
    plan = {"name": "long.wav", "length": 1000}
    begun = [
        asyncio.create_task(http.post("/api/v1/uploads/multipart", json=plan, timeout=120))
        for _ in range(REQUEST_THREADS + 2)
    ]
    await slow.is_busy(UPLOADS.share)
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert (await http.get("/api/v1/recordings")).status_code == 200
    slow.end()
    assert {answer.status_code for answer in await asyncio.gather(*begun)} == {201}


@pytest.mark.parametrize(
    ("method", "path", "asks"),
    [
        ("POST", f"/api/v1/uploads/multipart/{NOBODY}/urls", "nobody"),
        ("GET", f"/api/v1/uploads/{NOBODY}", "nobody"),
        ("GET", f"/api/v1/recordings/{NOBODY}", "nobody"),
        ("DELETE", f"/api/v1/recordings/{NOBODY}", "the bucket"),
        ("GET", f"/api/v1/uploads/multipart/{NOBODY}", "the bucket"),
        ("DELETE", f"/api/v1/uploads/multipart/{NOBODY}", "the bucket"),
        ("POST", f"/api/v1/uploads/multipart/{NOBODY}/complete", "the bucket"),
    ],
)
async def test_what_asks_the_bucket_and_what_does_not_don_t_wait_for_each_other(
    http: httpx.AsyncClient, slow: Slow, method: str, path: str, asks: str
) -> None:
    others, count = (REQUESTS, REQUEST_THREADS) if asks == "the bucket" else (UPLOADS, UPLOAD_THREADS)
    busy = [others.submit(slow.down(lambda: None)) for _ in range(count)]
    await slow.is_busy(count)
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert (await http.request(method, path, json={"parts": [1]})).status_code == 404
    slow.end()
    assert [one.result(PATIENCE_SECONDS) for one in busy] == [None] * count


async def test_health_does_not_wait_for_anybody(http: httpx.AsyncClient, alice: Character, slow: Slow) -> None:
    busy = [REQUESTS.submit(slow.down(lambda: None)) for _ in range(REQUEST_THREADS)]
    await slow.is_busy(REQUEST_THREADS)
    async with asyncio.timeout(PATIENCE_SECONDS):
        answer = await http.get("/health")
    assert (answer.status_code, answer.json()["status"]) == (503, "down"), "no engine runs here"
    assert "no-store" in answer.headers["cache-control"]
    assert (await http.head("/health")).content == b""
    assert (await http.post("/health")).status_code == 405
    slow.end()
    assert [one.result(PATIENCE_SECONDS) for one in busy] == [None] * REQUEST_THREADS

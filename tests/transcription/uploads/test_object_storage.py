"""Signatures, a public address, and an S3 that is away: against a server of the real protocol (moto)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import httpx
import pytest
import pytest_asyncio
from asgiref.sync import sync_to_async
from botocore.config import Config
from django.conf import LazySettings
from django.test import Client
from django.utils import timezone
from moto.server import ThreadedMotoServer

from portal.asgi import application
from tenants import scope
from tenants.models import Quota
from tests.conftest import Character
from tests.transcription.characters import submit
from tests.transcription.uploads.arrivals import sweep
from tests.transcription.uploads.conftest import Tus
from transcription.library import recordings
from transcription.maintenance import sweeper
from transcription.media import pcm_cache, storage, storage_check
from transcription.media.storage import StorageUnavailable
from transcription.models import Attempt, Lane, Recording, Status, Transcription
from transcription.queue import claims
from transcription.uploads import bucket
from transcription.uploads.models import Upload
from transcription.worker import job

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = Path(__file__).resolve().parents[3]
KEYS: dict[str, Any] = {"access_key": "a", "secret_key": "b"}
V4 = ["AWS4-HMAC-SHA256"]


class ObjectStorage:
    """One that can be stopped and started again, at the same address and with what it had."""

    def __init__(self) -> None:
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        self._port = self._server.get_host_and_port()[1]
        self.url = f"http://127.0.0.1:{self._port}"

    def stop(self) -> None:
        self._server.stop()
        storage_check._check = None

    def start(self) -> None:
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=self._port, verbose=False)
        self._server.start()
        storage_check._check = None


def use(settings: LazySettings, url: str, region: str | None = "eu-central-1") -> None:
    once = Config(retries={"total_max_attempts": 1})
    options = KEYS | {"bucket_name": "media", "endpoint_url": url, "region_name": region, "client_config": once}
    backend = {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options | {"file_overwrite": False}}
    settings.STORAGES = {**settings.STORAGES, "default": backend}


@pytest.fixture
def s3(settings: LazySettings) -> Iterator[ObjectStorage]:
    running = ObjectStorage()
    httpx.post(f"{running.url}/moto-api/reset")
    own = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=running.url, **own).create_bucket(Bucket="media")
    use(settings, running.url)
    storage_check._check = None
    yield running
    running.stop()


@pytest.mark.parametrize("region", ["eu-central-1", "us-east-1", None])
def test_every_address_is_signed_with_version_4(
    s3: ObjectStorage, settings: LazySettings, tmp_path: Path, region: str | None
) -> None:
    use(settings, s3.url, region)
    (tmp_path / "a").write_bytes(b"sound")
    storage.save(tmp_path / "a", "tenants/a")
    urls = [storage.signed_url("tenants/a"), storage.signed_url("tenants/a", "attachment")]
    for url in (*urls, bucket.part_url("tenants/b", "x", 1, 10)):
        assert parse_qs(urlsplit(url).query)["X-Amz-Algorithm"] == V4, url
    assert [httpx.get(url).content for url in urls] == [b"sound", b"sound"]
    assert httpx.get(urls[1]).headers["content-disposition"] == "attachment"


def test_people_and_programs_get_the_public_address_and_the_server_its_own(
    s3: ObjectStorage, settings: LazySettings, tmp_path: Path
) -> None:
    settings.S3_PUBLIC_ENDPOINT_URL = "https://media.example.org"
    (tmp_path / "a").write_bytes(b"sound")
    storage.save(tmp_path / "a", "tenants/a")
    with storage.local_copy("tenants/a") as path:
        assert path.read_bytes() == b"sound"
    upload = bucket.begin("tenants/b")
    assert list(bucket.parts("tenants/b", upload)) == []
    for url in (storage.signed_url("tenants/a"), bucket.part_url("tenants/b", upload, 1, 10)):
        parts = urlsplit(url)
        assert (parts.scheme, parts.netloc) == ("https", "media.example.org")
        assert parse_qs(parts.query)["X-Amz-Algorithm"] == V4
        assert "host" in parse_qs(parts.query)["X-Amz-SignedHeaders"][0].split(";")


SETTINGS = """
import django, json
django.setup()
from django.conf import settings
from django.core.files.storage import storages
from transcription.media import storage
print(json.dumps({
    "signed": [storage.signed_url("a"), storages["default"].url("a")],
    "media": settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]["media-src"],
}))
"""


@pytest.mark.parametrize("region", ["eu-central-1", "us-east-1", ""])
def test_the_settings_sign_with_version_4_and_pages_may_play_from_the_public_address(
    tmp_path: Path, region: str
) -> None:
    environment = {
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "PORTAL_DATA": str(tmp_path),
        "S3_BUCKET": "media",
        "S3_REGION": region,
        "S3_ENDPOINT_URL": "http://minio:9000",
        "S3_PUBLIC_ENDPOINT_URL": "https://media.example.org",
        "S3_ACCESS_KEY": "a",
        "S3_SECRET_KEY": "b",
    }
    done = subprocess.run(
        [sys.executable, "-c", SETTINGS],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    said = json.loads(done.stdout)
    assert [urlsplit(url).netloc for url in said["signed"]] == ["media.example.org", "minio:9000"]
    assert [parse_qs(urlsplit(url).query)["X-Amz-Algorithm"] for url in said["signed"]] == [V4, V4]
    assert "https://media.example.org" in said["media"]
    assert not [origin for origin in said["media"] if "minio" in origin]


@pytest_asyncio.fixture
async def portal() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://testserver") as client:
        yield client


@sync_to_async
def session_of(character: Character) -> dict[str, str]:
    client = Client()
    client.force_login(character.user)
    token = "t" * 32
    return {"Cookie": f"sessionid={client.cookies['sessionid'].value}; csrftoken={token}", "X-CSRFToken": token}


@sync_to_async
def kept(character: Character) -> tuple[int, int]:
    with scope.bound(character.tenant.id):
        return Recording.objects.count(), Quota.objects.get(tenant=character.tenant).stored_bytes_used


async def send(portal: httpx.AsyncClient, path: str, sound: bytes, headers: dict[str, str]) -> httpx.Response:
    files = {"file": ("a.wav", sound)}
    return await portal.post(path, files=files, data={"model": "whisper-1"}, headers=headers)


async def test_while_it_is_away_uploads_are_refused_with_a_time_to_come_back(
    s3: ObjectStorage, portal: httpx.AsyncClient, alice: Character, sound: bytes
) -> None:
    s3.stop()
    session = await session_of(alice)
    multipart = {"name": "a.wav", "length": 1000}
    answers = [
        await send(portal, "/v1/audio/transcriptions", sound, alice.bearer),
        await send(portal, "/api/v1/recordings", sound, alice.bearer),
        await send(portal, "/recordings/", sound, session),
        await portal.post("/api/v1/uploads/multipart", json=multipart, headers=alice.bearer),
    ]
    for answer in answers:
        assert (answer.status_code, "retry-after" in answer.headers) == (503, True), answer.text
        assert "storage_unavailable" in answer.text
    assert await kept(alice) == (0, 0)
    s3.start()
    assert (await send(portal, "/api/v1/recordings", sound, alice.bearer)).status_code == 201


async def test_what_came_by_tus_is_kept_and_taken_in_when_it_is_back(
    s3: ObjectStorage, tus: Tus, alice: Character, sound: bytes
) -> None:
    s3.stop()
    url = await tus.create(len(sound))
    done = await tus.patch(url, 0, sound)
    assert (done.status_code, done.headers["upload-state"]) == (204, "arrived")
    assert await kept(alice) == (0, 0)
    s3.start()
    await sync_to_async(accept_what_waits)(alice)
    assert (await tus.ask("GET", url)).json()["state"] == "accepted"
    assert await kept(alice) == (1, len(sound))


def accept_what_waits(character: Character) -> None:
    with scope.bound(character.tenant.id):
        Upload.objects.update(not_before=timezone.now())
        assert sweep() == {"uploads settled": 1}


async def test_parts_that_have_come_are_there_when_it_is_back(
    s3: ObjectStorage, portal: httpx.AsyncClient, alice: Character, sound: bytes
) -> None:
    place = "/api/v1/uploads/multipart"
    begun = await portal.post(place, json={"name": "a.wav", "length": len(sound)}, headers=alice.bearer)
    place += f"/{begun.json()['id']}"
    [part] = (await portal.post(f"{place}/urls", json={"parts": [1]}, headers=alice.bearer)).json()["parts"]
    await sync_to_async(httpx.put)(part["url"], content=sound)
    s3.stop()
    for answer in (
        await portal.get(place, headers=alice.bearer),
        await portal.post(f"{place}/complete", headers=alice.bearer),
        await portal.delete(place, headers=alice.bearer),
    ):
        assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
        assert answer.headers["retry-after"]
    s3.start()
    assert (await portal.post(f"{place}/complete", headers=alice.bearer)).json()["state"] == "arrived"


async def test_players_downloads_and_health_say_that_it_is_away(
    s3: ObjectStorage, portal: httpx.AsyncClient, alice: Character, sound: bytes
) -> None:
    session = await session_of(alice)
    made = (await send(portal, "/api/v1/recordings", sound, alice.bearer)).json()
    player = f"/recordings/{made['id']}/media"
    assert (await portal.get(player, headers=session)).status_code == 302
    s3.stop()
    for address in (player, f"{player}?download"):
        answer = await portal.get(address, headers=session)
        assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
    assert "the object storage does not answer" in str((await portal.get("/health")).json()["problems"])
    s3.start()
    assert (await portal.get(player, headers=session)).status_code == 302
    assert "the object storage" not in str((await portal.get("/health")).json()["problems"])


def test_the_question_whether_it_is_away_is_asked_seldom_and_waited_for_shortly(
    s3: ObjectStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answered = [], Event()

    def hang() -> None:
        asked.append(1)
        answered.wait(10)
        raise StorageUnavailable

    monkeypatch.setattr(storage, "check_bucket", hang)
    monkeypatch.setattr(storage_check, "WAIT_SECONDS", 0.01)
    assert [storage_check.is_away() for _ in range(5)] == [False] * 5, "nobody knows yet"
    answered.set()
    monkeypatch.setattr(storage_check, "WAIT_SECONDS", 10)
    assert storage_check.is_away()
    assert len(asked) == 1


@pytest.mark.usefixtures("within")
def test_a_recording_whose_sound_can_not_be_had_waits_and_no_attempt_counts(
    s3: ObjectStorage, alice: Character, fox: Path
) -> None:
    row = submit(alice.actor, fox)
    pcm_cache.take(row.id)
    s3.stop()
    for _ in range(4):
        Transcription.objects.update(not_before=timezone.now())
        claim = claims.claim("a worker", Lane.values)
        assert claim is not None
        job.run_attempt(claim)
        row.refresh_from_db()
        assert (row.status, row.attempts_made) == (Status.QUEUED, 0)
        assert row.not_before > timezone.now()
    assert {attempt.outcome for attempt in row.attempts.all()} == {Attempt.Outcome.HANDED_BACK}


@pytest.mark.usefixtures("within")
def test_what_is_deleted_meanwhile_goes_when_it_is_back(
    s3: ObjectStorage, alice: Character, fox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = submit(alice.actor, fox)
    s3.stop()
    recordings.erase(alice.actor, row.recording_id)
    assert not Recording.objects.exists()
    s3.start()
    monkeypatch.setattr(sweeper, "ORPHAN_AGE", -sweeper.ORPHAN_AGE)
    assert sweeper.drop_orphaned_media() == 1

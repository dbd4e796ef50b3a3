"""A reader that somebody killed, as when memory ran out, blames nobody's file: programs are told to come again."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from asgiref.sync import sync_to_async

from portal.asgi import application
from tenants import scope
from tenants.models import Reservation
from tests.conftest import Character, FakeFfmpeg
from transcription.models import Recording

pytestmark = pytest.mark.django_db(transaction=True)


async def send(who: Character, path: Path, place: str) -> httpx.Response:
    transport = httpx.ASGITransport(app=application)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver", headers=who.bearer) as http:
        files = {"file": (path.name, path.read_bytes())}
        return await http.post(place, data={"model": "whisper-1"}, files=files)


@sync_to_async
def nothing_is_kept(who: Character) -> bool:
    with scope.bound(who.tenant.id):
        return not Recording.objects.exists() and not Reservation.objects.exists()


async def test_our_own_api_says_when_to_come_again(alice: Character, fox: Path, fake_ffmpeg: FakeFfmpeg) -> None:
    with fake_ffmpeg("kill -KILL $$"):
        answer = await send(alice, fox, "/api/v1/recordings")
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "interrupted", "2")
    assert await nothing_is_kept(alice)
    assert (await send(alice, fox, "/api/v1/recordings")).status_code == 201


async def test_openais_sdks_try_again_by_themselves(alice: Character, fox: Path, fake_ffmpeg: FakeFfmpeg) -> None:
    with fake_ffmpeg("kill -KILL $$"):
        answer = await send(alice, fox, "/v1/audio/transcriptions")
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["code"]) == (503, "server_error", "interrupted")
    assert "x-should-retry" not in answer.headers
    assert await nothing_is_kept(alice)


async def test_what_runs_into_our_limits_is_told_so_and_not_to_come_again(
    alice: Character, fox: Path, fake_ffmpeg: FakeFfmpeg
) -> None:
    with fake_ffmpeg("echo 'Error opening input: Cannot allocate memory' >&2; exit 244"):
        answer = await send(alice, fox, "/v1/audio/transcriptions")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], answer.headers["x-should-retry"]) == (422, "too_complex", "false")
    assert "more memory or time" in error["message"]

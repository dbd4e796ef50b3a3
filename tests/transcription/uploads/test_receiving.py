"""Bytes against the ASGI middleware itself: hang-ups, silence, and how little is held."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings

from portal.asgi import application
from portal.http import tus as tus_requests
from tests.conftest import Character
from tests.transcription.uploads.conftest import Tus
from transcription.uploads import files
from transcription.uploads.files import LockedFile

pytestmark = pytest.mark.django_db(transaction=True)


class Connection:
    """One PATCH whose client does what the test says."""

    def __init__(self, character: Character, url: str, offset: int, **more: str) -> None:
        headers = character.bearer | {
            "Host": "testserver",
            "Tus-Resumable": "1.0.0",
            "Upload-Offset": str(offset),
            "Content-Type": "application/offset+octet-stream",
        }
        self.scope: dict[str, Any] = {
            "type": "http",
            "method": "PATCH",
            "path": url,
            "query_string": b"",
            "headers": [(k.lower().encode(), v.encode()) for k, v in (headers | more).items()],
        }
        self.asked = 0
        self.status = 0
        self.headers: dict[str, str] = {}
        self.on_answer: Callable[[], object] = lambda: None
        """Called when the first byte of the answer is there."""

    async def send(self, *pieces: bytes, then: str) -> None:
        """`then` the client ends its body and hangs up, ends it and waits, hangs up, or falls silent."""
        waiting = list(pieces)

        async def receive() -> dict[str, Any]:
            self.asked += 1
            if waiting:
                piece = waiting.pop(0)
                more = bool(waiting) or then not in ("ends", "waits")
                return {"type": "http.request", "body": piece, "more_body": more}
            if then in ("silent", "waits"):
                await asyncio.Event().wait()
            return {"type": "http.disconnect"}

        async def answer(message: Any) -> None:
            if message["type"] == "http.response.start":
                self.status = message["status"]
                self.headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}
                self.on_answer()

        await application(self.scope, receive, answer)


def id_of(url: str) -> UUID:
    return UUID(url.rsplit("/", 1)[1])


async def test_what_came_before_a_hang_up_counts(tus: Tus, alice: Character) -> None:
    url = await tus.create(1000)
    connection = Connection(alice, url, 0)
    await connection.send(b"x" * 300, b"x" * 33, then="hangs up")
    assert connection.status == 0
    assert await tus.offset(url) == 333
    assert (await tus.patch(url, 333, b"y")).status_code == 204


async def test_whoever_says_nothing_for_long_is_sent_away_with_the_offset(
    tus: Tus, alice: Character, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tus_requests, "SILENCE_SECONDS", 0.05)
    url = await tus.create(1000)
    connection = Connection(alice, url, 0)
    task = asyncio.create_task(connection.send(b"x" * 300, then="silent"))
    while not connection.status:
        await asyncio.sleep(0.01)
    assert (connection.status, connection.headers["upload-offset"]) == (408, "300")
    assert connection.headers["connection"] == "close"
    task.cancel()
    assert (await tus.patch(url, 300, b"y")).status_code == 204


async def test_each_piece_lies_in_the_file_before_the_next_is_asked_for(tus: Tus, alice: Character) -> None:
    url = await tus.create(10_000)
    seen: list[int] = []

    async def receive() -> dict[str, Any]:
        if len(seen) == 5:
            await asyncio.Event().wait()
        seen.append(files.size(id_of(url)))
        return {"type": "http.request", "body": b"x" * 1000, "more_body": len(seen) < 5}

    async def answer(_message: Any) -> None: ...

    await application(Connection(alice, url, 0).scope, receive, answer)
    assert seen == [0, 1000, 2000, 3000, 4000]


async def test_a_refused_piece_is_not_read_to_its_end(tus: Tus, alice: Character) -> None:
    url = await tus.create(10**9)
    connection = Connection(alice, url, 5)
    await connection.send(*[bytes(65_536)] * 1000, then="ends")
    assert connection.status == 409
    assert connection.asked < 100


@pytest.mark.parametrize(("size", "then", "status"), [(300, "waits", 204), (2000, "silent", 413), (300, "silent", 408)])
async def test_the_lock_is_gone_before_the_answer_is_there(
    tus: Tus, alice: Character, monkeypatch: pytest.MonkeyPatch, size: int, then: str, status: int
) -> None:
    """Whoever has read the answer sends the next piece at once."""
    monkeypatch.setattr(tus_requests, "SILENCE_SECONDS", 0.05)
    url = await tus.create(1000)
    connection, free = Connection(alice, url, 0), []

    def try_the_lock() -> None:
        LockedFile(id_of(url), 1000).close()
        free.append(connection.status)

    connection.on_answer = try_the_lock
    task = asyncio.create_task(connection.send(b"x" * size, then=then))
    while not free and not task.done():
        await asyncio.sleep(0.01)
    task.cancel()
    assert free == [status]


async def test_a_process_that_is_just_being_started_keeps_no_lock(tus: Tus) -> None:
    """Between its fork and its exec it has a copy of every descriptor of ours, and with it of the lock."""
    url = await tus.create(1000)
    slot = LockedFile(id_of(url), 1000)
    copy = os.dup(slot._descriptor)
    slot.close()
    LockedFile(id_of(url), 1000).close()
    os.close(copy)


async def test_a_file_that_nobody_took_is_gone_before_the_answer_is_there(alice: Character) -> None:
    """Also on the way of uploads in one request."""
    left: list[set[Path]] = []
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nno song\r\n--b--\r\n'
    connection = Connection(alice, "/api/v1/recordings", 0, **{"Content-Type": "multipart/form-data; boundary=b"})
    connection.scope["method"] = "POST"

    def look() -> None:
        left.append(set(settings.INCOMING_DIR.glob("upload-*")))

    look()
    connection.on_answer = look
    await connection.send(body, then="waits")
    before, after = left
    assert (connection.status, after - before) == (422, set())

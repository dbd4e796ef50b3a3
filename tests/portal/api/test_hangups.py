"""A client that hangs up takes its work with it, unless somebody else waits for it, or it comes back in time."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.utils import timezone

from portal.asgi import application
from tenants import scope
from tenants.models import LedgerEntry, Reservation
from tests.conftest import Character
from tests.portal.http.test_uploads import BOUNDARY, form
from tests.transcription.finishing import finish
from transcription.intake import waiters
from transcription.maintenance import rounds, sweeper
from transcription.media import storage
from transcription.models import Status, Transcription
from transcription.queue import claims, progress

pytestmark = pytest.mark.django_db(transaction=True)
PATIENCE = 60.0
OPENAI = "/v1/audio/transcriptions"
GRACE = waiters.GRACE.total_seconds() + 5


class Caller(ApplicationCommunicator):
    """A program's end of one HTTP request, without a server in between."""

    def __init__(self, who: Character, sound: bytes, key: str = "", path: str = OPENAI, **fields: str) -> None:
        headers = [
            (b"authorization", f"Bearer {who.secret}".encode()),
            (b"content-type", f"multipart/form-data; boundary={BOUNDARY}".encode()),
            (b"host", b"testserver"),
        ]
        headers += [(b"idempotency-key", key.encode())] if key else []
        super().__init__(
            application, {"type": "http", "method": "POST", "path": path, "headers": headers, "query_string": b""}
        )
        self._form = form(sound, model="whisper-1", **fields)

    async def ask(self) -> None:
        await self.send_input({"type": "http.request", "body": self._form, "more_body": False})

    async def hang_up(self) -> None:
        await self.send_input({"type": "http.disconnect"})
        await self.wait(PATIENCE)

    async def answer(self) -> tuple[int, Any]:
        status, body = 0, b""
        while True:
            message = await self.receive_output(PATIENCE)
            status = message.get("status", status)
            body += message.get("body", b"")
            if message["type"] == "http.response.body" and not message.get("more_body"):
                await self.wait(PATIENCE)
                return status, json.loads(body)


class Floor:
    """What Acme's transcriptions look like, and the sweeper that passes by."""

    def __init__(self, alice: Character) -> None:
        self._alice = alice

    @sync_to_async
    def _rows(self) -> list[Transcription]:
        with scope.bound(self._alice.tenant.id):
            return list(Transcription.objects.select_related("recording").order_by("created_at"))

    async def one(self) -> Transcription:
        (row,) = await self._rows()
        return row

    async def count(self) -> int:
        return len(await self._rows())

    async def until(self, is_so: Callable[[Transcription], bool]) -> Transcription:
        async with asyncio.timeout(PATIENCE):
            while True:
                rows = await self._rows()
                if rows and is_so(rows[0]):
                    return rows[0]
                await asyncio.sleep(0.02)

    async def waited_for_by(self, number: int) -> Transcription:
        return await self.until(lambda row: row.waiters == number)

    @sync_to_async
    def sweep(self, seconds_later: float = 0.0) -> int:
        with time_machine.travel(timezone.now() + timedelta(seconds=seconds_later)):
            return rounds.sweep(sweeper.EVERY_FEW_SECONDS)["transcriptions cancelled that nobody waits for"]

    @sync_to_async
    def finish(self, row: Transcription) -> None:
        with scope.bound(self._alice.tenant.id):
            finish(row)
        progress.flush()

    @sync_to_async
    def charges(self) -> int:
        with scope.bound(self._alice.tenant.id):
            assert not Reservation.objects.filter(state=Reservation.State.HELD).exists()
            return LedgerEntry.objects.count()


@pytest.fixture
def floor(alice: Character) -> Floor:
    return Floor(alice)


@pytest.fixture
def sound(fox: Path) -> bytes:
    return fox.read_bytes()


@pytest.mark.parametrize("stream", ["false", "true"])
async def test_who_hangs_up_is_charged_nothing(alice: Character, floor: Floor, sound: bytes, stream: str) -> None:
    caller = Caller(alice, sound, stream=stream)
    await caller.ask()
    await floor.waited_for_by(1)
    if stream == "true":
        assert (await caller.receive_output(PATIENCE))["status"] == 200
    await caller.hang_up()
    await floor.waited_for_by(0)
    assert await floor.sweep() == 0, "it might come back"
    assert (await floor.one()).status == Status.QUEUED
    assert await floor.sweep(GRACE) == 1
    assert (await floor.one()).status == Status.CANCELLED
    assert await floor.charges() == 0


async def test_running_work_is_cancelled_too(alice: Character, floor: Floor, sound: bytes) -> None:
    caller = Caller(alice, sound)
    await caller.ask()
    await floor.waited_for_by(1)
    claim = await sync_to_async(claims.claim)("host/1")
    assert claim is not None
    await caller.hang_up()
    assert await floor.sweep(GRACE) == 1
    assert not await sync_to_async(_holds)(alice, claim), "the worker sees it and stops"
    assert await floor.charges() == 0


def _holds(alice: Character, claim: claims.Claim) -> bool:
    with scope.bound(alice.tenant.id):
        return claims.holds(claim)


async def test_who_comes_back_finds_the_work_going_on(alice: Character, floor: Floor, sound: bytes) -> None:
    first, second = Caller(alice, sound), Caller(alice, sound)
    await first.ask()
    await floor.waited_for_by(1)
    await first.hang_up()
    await floor.waited_for_by(0)
    await second.ask()
    row = await floor.waited_for_by(1)
    assert await floor.sweep(GRACE) == 0
    await floor.finish(row)
    status, body = await second.answer()
    assert (status, body["text"]) == (200, "The fox.")
    assert (await floor.count(), await floor.charges()) == (1, 1)


async def test_one_of_two_hangs_up_and_the_other_gets_its_text(alice: Character, floor: Floor, sound: bytes) -> None:
    first, second = Caller(alice, sound), Caller(alice, sound)
    await first.ask()
    await floor.waited_for_by(1)
    await second.ask()
    await floor.waited_for_by(2)
    await first.hang_up()
    row = await floor.waited_for_by(1)
    assert await floor.sweep(GRACE) == 0
    await floor.finish(row)
    assert (await second.answer())[0] == 200
    assert await floor.charges() == 1


async def test_when_the_last_of_two_hangs_up_it_is_over(alice: Character, floor: Floor, sound: bytes) -> None:
    both = [Caller(alice, sound), Caller(alice, sound, stream="true")]
    for number, caller in enumerate(both, start=1):
        await caller.ask()
        await floor.waited_for_by(number)
    for number, caller in enumerate(both, start=1):
        await caller.hang_up()
        await floor.waited_for_by(2 - number)
    assert await floor.sweep(GRACE) == 1


async def test_a_request_with_a_name_means_to_come_back(alice: Character, floor: Floor, sound: bytes) -> None:
    named = Caller(alice, sound, key="meeting-7")
    await named.ask()
    await floor.until(lambda row: row.status == Status.QUEUED)
    await asyncio.sleep(0.3)
    await named.hang_up()
    assert await floor.sweep(GRACE) == 0
    await floor.finish(await floor.one())
    again = Caller(alice, sound, key="meeting-7")
    await again.ask()
    assert (await again.answer())[1]["text"] == "The fox."
    assert (await floor.count(), await floor.charges()) == (1, 1)


async def test_a_name_that_joins_keeps_what_others_leave(alice: Character, floor: Floor, sound: bytes) -> None:
    first, named = Caller(alice, sound), Caller(alice, sound, key="meeting-8")
    await first.ask()
    await floor.waited_for_by(1)
    await named.ask()
    await floor.until(lambda row: row.waiters is None)
    await first.hang_up()
    await named.hang_up()
    assert await floor.sweep(GRACE) == 0


async def test_a_large_upload_has_time_to_arrive_again(alice: Character, floor: Floor, sound: bytes) -> None:
    """A retry sends its file again before it can join."""
    caller = Caller(alice, sound)
    await caller.ask()
    row = await floor.waited_for_by(1)
    with scope.bound(alice.tenant.id):
        await sync_to_async(waiters.hang_up)(row, timedelta(seconds=60))
    assert await floor.sweep(GRACE + 60) == 0
    assert await floor.sweep(GRACE + 120) == 1
    assert (await caller.answer())[0] == 409


async def test_who_is_told_that_it_goes_on_may_leave(
    alice: Character, floor: Floor, sound: bytes, settings: Any
) -> None:
    settings.SYNC_WAIT_SECONDS = 0.5
    caller = Caller(alice, sound)
    await caller.ask()
    status, body = await caller.answer()
    assert (status, body["error"]["code"]) == (504, "still_running")
    assert await floor.sweep(GRACE) == 0
    assert (await floor.one()).status == Status.QUEUED


async def test_a_stopped_server_hangs_up_for_nobody(alice: Character, floor: Floor, sound: bytes) -> None:
    """It cancels its requests, which nobody's client did."""
    caller = Caller(alice, sound)
    await caller.ask()
    await floor.waited_for_by(1)
    caller.future.cancel()
    row = await floor.waited_for_by(0)
    assert row.cancel_at is None
    assert await floor.sweep(GRACE) == 0


async def test_an_upload_that_is_being_accepted_is_not_torn_apart(
    alice: Character, floor: Floor, sound: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, may_go_on, keep = threading.Event(), threading.Event(), storage.save

    def slow_keep(path: Path, key: str) -> None:
        reached.set()
        assert may_go_on.wait(PATIENCE)
        keep(path, key)

    monkeypatch.setattr(storage, "save", slow_keep)
    caller = Caller(alice, sound)
    await caller.ask()
    assert await asyncio.to_thread(reached.wait, PATIENCE)
    hanging_up = asyncio.create_task(caller.hang_up())
    await asyncio.sleep(0.2)
    may_go_on.set()
    await hanging_up
    row = await floor.one()
    assert (row.waiters, row.cancel_at is not None) == (0, True)
    assert storage.local_path(row.recording.storage_key).exists()


def _leave(alice: Character, row: Transcription) -> None:
    with scope.bound(alice.tenant.id):
        waiters.leave(row)


async def test_one_that_leaves_when_another_has_hung_up_cancels_nothing(
    alice: Character, floor: Floor, sound: bytes
) -> None:
    first, retry = Caller(alice, sound), Caller(alice, sound)
    await first.ask()
    await floor.waited_for_by(1)
    await retry.ask()
    row = await floor.waited_for_by(2)
    await first.hang_up()
    await floor.waited_for_by(1)
    await sync_to_async(_leave)(alice, row)
    assert await floor.sweep(2 * GRACE) == 0
    await floor.finish(row)
    assert (await retry.answer())[0] == 200


async def test_a_file_that_has_come_is_kept_though_its_sender_has_gone(
    alice: Character, floor: Floor, sound: bytes
) -> None:
    sender = Caller(alice, sound, path="/api/v1/recordings")
    await sender.ask()
    await sender.send_input({"type": "http.disconnect"})
    assert (await sender.answer())[0] == 201
    assert (await floor.one()).waiters is None

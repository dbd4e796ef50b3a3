"""The pages' WebSockets against the real channel layer."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from channels.layers import get_channel_layer
from django.db import OperationalError
from django.test import AsyncClient
from django.utils import timezone

from portal import seen_recordings
from portal.asgi import application
from portal.http import authentication, sockets
from portal.http.sockets import NOT_FOUND, NOT_SIGNED_IN
from tenants import api_keys, scope
from tenants.models import ApiKey, Member, Tenant
from tests.conftest import Character, create_tenant
from tests.portal.http.test_uploads import signed_in
from tests.portal.ops.conftest import condition
from tests.portal.web.conftest import make_transcription
from tests.transcription.characters import submit
from transcription.folders import folders
from transcription.models import Recording, Transcription
from transcription.options import engines
from transcription.queue import claims, lifecycle, progress

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "RECHECK_SECONDS", 0.2)


class Socket(ApplicationCommunicator):
    """A browser's end of a WebSocket, without a server in between."""

    def __init__(self, path: str, cookie: str = "", origin: str = "http://testserver") -> None:
        headers = [(b"cookie", cookie.encode()), (b"origin", origin.encode()), (b"host", b"testserver")]
        path, _, query = path.partition("?")
        sent = {"path": path, "query_string": query.encode(), "headers": headers}
        super().__init__(application, {"type": "websocket", **sent})

    async def connect(self) -> bool:
        await self.send_input({"type": "websocket.connect"})
        return bool((await self.receive_output(5))["type"] == "websocket.accept")

    async def hear(self) -> dict[str, Any]:
        return dict(json.loads((await self.receive_output(5))["text"]))

    async def closing_code(self) -> int:
        while True:
            message = await self.receive_output(5)
            if message["type"] == "websocket.close":
                await self.hang_up()
                return int(message["code"])

    async def hang_up(self) -> None:
        await self.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.wait(1)


async def socket_of(character: Character, path: str) -> Socket:
    socket = Socket(path, f"sessionid={await signed_in(character)}")
    assert await socket.connect()
    return socket


@sync_to_async
def queue(character: Character, fox: Path) -> Transcription:
    with scope.bound(character.tenant.id):
        return submit(character.actor, fox)


@sync_to_async
def revoke_key(character: Character) -> None:
    with scope.bound(character.tenant.id):
        assert api_keys.revoke(character.actor, ApiKey.objects.get(created_by=character.user).id)


async def test_a_page_hears_its_place_then_the_end(alice: Character, fox: Path) -> None:
    row = await queue(alice, fox)
    socket = await socket_of(alice, f"/ws/transcriptions/{row.id}/")
    first = await socket.hear()
    assert (first["type"], first["status"], first["position"]) == ("snapshot", "queued", 1)
    claim = await sync_to_async(claims.claim)("host/1")
    assert claim is not None

    @sync_to_async
    def finish() -> None:
        with scope.bound(alice.tenant.id):
            lifecycle.complete(claim, "Done.", 2.9, [])

    await finish()
    while (message := await socket.hear()).get("status") != "completed":
        pass
    assert message["percent"] == 100
    await socket.hang_up()


async def test_the_page_converges_without_any_event(
    alice: Character, fox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = await queue(alice, fox)
    socket = await socket_of(alice, f"/ws/transcriptions/{row.id}/")
    monkeypatch.setattr(progress, "_publish", lambda _messages: None)
    assert await sync_to_async(claims.claim)("host/1")
    while (message := await socket.hear()).get("status") != "running":
        pass
    assert message["type"] == "snapshot"
    await socket.hang_up()


async def test_an_open_list_hears_again_after_redis_lost_what_it_held(
    alice: Character, fox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "JOIN_AGAIN_SECONDS", 0.0)
    socket = await socket_of(alice, "/ws/recordings/")
    assert await socket.hear() == {"type": "ready"}
    layer, group = get_channel_layer(), progress.tenant_group(alice.tenant.id)
    await layer.connection(layer.consistent_hash(group)).delete(layer._group_key(group))
    async with asyncio.timeout(10):
        while socket.output_queue.empty():
            await layer.group_send(group, {"type": "recording.changed", "recording": str(uuid4())})
            await asyncio.sleep(0.05)
    await socket.hang_up()


async def test_the_page_hears_that_the_model_is_loaded_first(alice: Character, fox: Path) -> None:
    row = await queue(alice, fox)
    await sync_to_async(engines.report)("host:0", condition(loaded=()), 8, 8)
    assert await sync_to_async(claims.claim)("host:0/1.77")
    socket = await socket_of(alice, f"/ws/transcriptions/{row.id}/")
    first = await socket.hear()
    assert (first["status"], first["loading_model"]) == ("running", True)
    await sync_to_async(engines.report)("host:0", condition(), 8, 8)
    while (message := await socket.hear())["loading_model"]:
        pass
    assert message["status"] == "running"
    await socket.hang_up()


async def test_mallory_hears_what_an_unknown_id_says(mallory: Character, alice: Character, fox: Path) -> None:
    row = await queue(alice, fox)
    for wanted in (row.id, "00000000-0000-0000-0000-000000000000"):
        socket = await socket_of(mallory, f"/ws/transcriptions/{wanted}/")
        assert await socket.closing_code() == NOT_FOUND


async def test_nobody_hears_anything() -> None:
    socket = Socket("/ws/recordings/")
    await socket.connect()
    assert await socket.closing_code() == NOT_SIGNED_IN


@pytest.mark.parametrize(
    "rule",
    [{"second_factor_from": timezone.now()}, {"people_addresses": ["203.0.113.0/24"]}],
    ids=["factor", "address"],
)
async def test_who_needs_a_second_factor_or_another_address_hears_nothing_also_on_an_open_socket(
    alice: Character, rule: dict[str, Any]
) -> None:
    socket = await socket_of(alice, "/ws/recordings/")
    await Tenant.objects.filter(pk=alice.tenant.pk).aupdate(**rule)
    assert await socket.closing_code() == NOT_SIGNED_IN
    again = await socket_of(alice, "/ws/recordings/")
    assert await again.closing_code() == NOT_SIGNED_IN


async def test_another_site_may_not_connect(alice: Character) -> None:
    socket = Socket("/ws/recordings/", f"sessionid={await signed_in(alice)}", origin="http://evil.example")
    assert not await socket.connect()
    await socket.hang_up()


async def test_a_removed_member_of_two_tenants_hears_no_more_of_the_first(alice: Character, fox: Path) -> None:
    row = await queue(alice, fox)
    other = await sync_to_async(create_tenant)("Zebra")
    await Member.objects.acreate(tenant=other, user=alice.user, role="owner")
    both = [await socket_of(alice, path) for path in (f"/ws/transcriptions/{row.id}/", "/ws/recordings/")]
    assert [(await socket.hear())["type"] for socket in both] == ["snapshot", "ready"]
    await Member.objects.filter(pk=alice.member.pk).adelete()
    for socket in both:
        assert await socket.closing_code() in (NOT_SIGNED_IN, NOT_FOUND)


async def test_a_changed_password_closes_the_socket(alice: Character) -> None:
    socket = await socket_of(alice, "/ws/recordings/")
    assert await socket.hear() == {"type": "ready"}
    alice.user.set_password("another horse")
    await alice.user.asave()
    assert await socket.closing_code() == NOT_SIGNED_IN


async def test_nothing_is_sent_once_a_revoked_key_is_noticed(alice: Character, fox: Path) -> None:
    """The program does not hang up, so the socket is still in its group when the next change is published."""
    answer = await AsyncClient().post("/api/v1/socket-tickets", headers=alice.bearer)
    socket = Socket(f"/ws/recordings/?ticket={answer.json()['ticket']}")
    assert await socket.connect()
    assert await socket.hear() == {"type": "ready"}
    await revoke_key(alice)
    closed = await socket.receive_output(60)
    assert (closed["type"], closed["code"]) == ("websocket.close", NOT_SIGNED_IN)
    await queue(alice, fox)
    await socket.wait(60)
    assert socket.output_queue.empty()


async def test_a_key_that_is_limited_meanwhile_hears_of_its_folders_alone(
    alice: Character, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the next check on: of what it knew until then, and of what is erased, it hears nothing."""
    monkeypatch.setattr(seen_recordings, "FORGOTTEN_AFTER", 1_000_000)
    answer = await AsyncClient().post("/api/v1/socket-tickets", headers=alice.bearer)
    socket = Socket(f"/ws/recordings/?ticket={answer.json()['ticket']}")
    assert await socket.connect()
    assert await socket.hear() == {"type": "ready"}
    hidden, erased, own = await sync_to_async(two_in_folders)(alice)
    layer, group = get_channel_layer(), progress.tenant_group(alice.tenant.id)
    async with asyncio.timeout(10):
        heard: list[str] = []
        while heard != [own]:
            for recording in (hidden, erased, own):
                await layer.group_send(group, {"type": "recording.changed", "recording": recording})
            heard = [(await socket.hear())["recording"]]
            while heard[-1] != own:
                heard.append((await socket.hear())["recording"])
            if len(heard) == 3:
                await sync_to_async(limit_key)(alice, own)
    await socket.hang_up()


def two_in_folders(who: Character) -> tuple[str, str, str]:
    """Ids of a recording in no folder, of one that is gone, and of one in a folder."""
    with scope.bound(who.tenant.id):
        folder = folders.create(who.actor, "Press")
        hidden, own = (make_transcription(who.tenant).recording for _number in range(2))
        Recording.objects.filter(id=own.id).update(folder=folder)
    return str(hidden.id), str(uuid4()), str(own.id)


def limit_key(who: Character, recording: str) -> None:
    with scope.bound(who.tenant.id):
        folder = Recording.objects.values_list("folder", flat=True).get(id=recording)
        ApiKey.objects.update(folders=[str(folder)])


async def test_no_text_is_sent_while_nobody_knows_who_may_read_it(
    alice: Character, fox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = await queue(alice, fox)
    assert await sync_to_async(claims.claim)("host/1")
    socket = await socket_of(alice, f"/ws/transcriptions/{row.id}/")
    sequence, away, is_away = (await socket.hear())["seq"], asyncio.Event(), [True]

    def renewed_in_bulk(scopes: Any) -> Any:
        if is_away[0]:
            loop.call_soon_threadsafe(away.set)
            raise OperationalError("away")
        return really(scopes)

    loop, really = asyncio.get_running_loop(), authentication.renewed_in_bulk
    monkeypatch.setattr(authentication, "renewed_in_bulk", renewed_in_bulk)
    await away.wait()
    await asyncio.sleep(0.1)
    told = {"type": "transcription.progress", "seq": sequence + 1, "percent": 50, "segments": []}
    layer = get_channel_layer()
    await layer.group_send(progress.transcription_group(row.id), told)
    assert await socket.receive_nothing(0.5)
    is_away[0] = False
    await asyncio.sleep(0.5)
    await layer.group_send(progress.transcription_group(row.id), told)
    while (await socket.hear())["type"] != "progress":
        pass
    await socket.hang_up()


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ({"bytes": b"\x00\xff"}, 1003),
        ({"bytes": b""}, 1003),
        ({"text": "{"}, 1007),
        ({"text": ""}, 1007),
        ({"text": "[" * 4000}, 1007),
        ({"text": "[" * 100_000}, 1009),
    ],
)
@pytest.mark.parametrize("path", ["/ws/recordings/", "/ws/transcriptions/{id}/"])
async def test_a_frame_that_nobody_sends_closes_the_socket(
    path: str, frame: dict[str, Any], code: int, alice: Character, fox: Path
) -> None:
    row = await queue(alice, fox)
    socket = await socket_of(alice, path.format(id=row.id))
    for _ in range(3):
        await socket.send_input({"type": "websocket.receive", **frame})
    assert await socket.closing_code() == code


@pytest.mark.parametrize("content", ["null", "5", "[]", '{"type": []}', '{"type": "unknown"}'])
async def test_json_that_means_nothing_is_passed_over(content: str, alice: Character, fox: Path) -> None:
    row = await queue(alice, fox)
    socket = await socket_of(alice, f"/ws/transcriptions/{row.id}/")
    await socket.hear()
    await socket.send_input({"type": "websocket.receive", "text": content})
    await socket.send_input({"type": "websocket.receive", "text": '{"type": "resync"}'})
    while (await socket.hear())["type"] != "snapshot":
        pass
    await socket.hang_up()


async def test_there_is_no_socket_elsewhere(alice: Character) -> None:
    for path in ("/ws/", "/ws/transcriptions/1/", "/recordings/"):
        socket = Socket(path, f"sessionid={await signed_in(alice)}")
        await socket.send_input({"type": "websocket.connect"})
        assert await socket.receive_output(5) == {"type": "websocket.close", "code": 4404}

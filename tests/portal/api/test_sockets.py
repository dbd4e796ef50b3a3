"""WebSockets for programs, with a real client: a ticket instead of a key, and then what the pages hear."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import time_machine
from asgiref.sync import sync_to_async
from django.test import Client
from django.utils import timezone
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from portal.tickets import service
from portal.tickets.models import SocketTicket
from tenants import api_keys, scope
from tenants.api_keys import Bearer
from tenants.models import ApiKey
from tests.conftest import Character
from tests.portal.test_consumers import queue
from tests.transcription.finishing import finish
from tests.webprocess import WebProcess
from transcription.models import Transcription
from transcription.queue import progress

UNKNOWN = "00000000-0000-4000-8000-000000000000"
RECORDINGS = "/ws/recordings/"


class Program:
    """Somebody's program: it has a key, and asks for tickets."""

    def __init__(self, web: WebProcess, who: Character) -> None:
        self._web, self._who = web, who

    async def ticket(self) -> str:
        async with httpx.AsyncClient(base_url=self._web.url, headers=self._who.bearer) as http:
            answer = await http.post("/api/v1/socket-tickets")
        assert answer.status_code == 201
        assert answer.headers["cache-control"] == "no-store"
        return str(answer.json()["ticket"])

    def open(self, path: str, ticket: str, origin: str | None = None) -> connect:
        return connect(f"{self._web.sockets}{path}?ticket={ticket}", origin=origin)  # type: ignore[arg-type]


async def hear(socket: ClientConnection) -> dict[str, Any]:
    return dict(json.loads(await asyncio.wait_for(socket.recv(), 10)))


async def closing_code(socket: ClientConnection) -> int:
    async with asyncio.timeout(60):
        await socket.wait_closed()
    assert socket.close_code is not None
    return socket.close_code


@sync_to_async
def work_through(who: Character, row: Transcription) -> None:
    with scope.bound(who.tenant.id):
        finish(row)
    progress.flush()


@sync_to_async
def revoke(who: Character) -> None:
    with scope.bound(who.tenant.id):
        assert api_keys.revoke(who.actor, ApiKey.objects.get(created_by=who.user).id)


@sync_to_async
def rotate(who: Character, grace: timedelta) -> str:
    with scope.bound(who.tenant.id):
        return api_keys.rotate(who.actor, ApiKey.objects.get(created_by=who.user).id, grace)[1]


@sync_to_async
def end_old_secret(who: Character) -> None:
    with scope.bound(who.tenant.id):
        assert api_keys.end_old_secret(who.actor, ApiKey.objects.get(created_by=who.user).id)


async def test_a_program_hears_its_transcription_from_the_queue_to_the_end(
    web: WebProcess, alice: Character, fox: Path
) -> None:
    row, program = await queue(alice, fox), Program(web, alice)
    async with (
        program.open(RECORDINGS, await program.ticket()) as all_of_them,
        program.open(f"/ws/transcriptions/{row.id}/", await program.ticket()) as one,
    ):
        assert await hear(all_of_them) == {"type": "ready"}
        first = await hear(one)
        assert (first["type"], first["status"], first["position"]) == ("snapshot", "queued", 1)
        await work_through(alice, row)
        while (told := await hear(one)).get("status") != "completed":
            assert told["type"] in ("snapshot", "queue", "progress")
        assert (told["percent"], told["segments"][0]["text"]) == (100, "The fox.")
        assert await hear(all_of_them) == {"type": "changed", "recording": str(row.recording_id)}


async def test_a_ticket_opens_one_socket_even_where_ten_try_at_once(web: WebProcess, alice: Character) -> None:
    program = Program(web, alice)
    ticket = await program.ticket()

    async def attempt() -> dict[str, Any] | int:
        async with program.open(RECORDINGS, ticket) as socket:
            try:
                return await hear(socket)
            except ConnectionClosed:
                return await closing_code(socket)

    heard = await asyncio.gather(*(attempt() for _ in range(10)))
    assert (heard.count({"type": "ready"}), heard.count(4401)) == (1, 9)


async def test_a_revoked_key_is_heard_no_more(web: WebProcess, alice: Character) -> None:
    program = Program(web, alice)
    async with program.open(RECORDINGS, await program.ticket()) as socket:
        assert await hear(socket) == {"type": "ready"}
        await revoke(alice)
        assert await closing_code(socket) == 4401


async def test_a_replaced_secret_is_heard_no_more_and_the_other_hears_on(
    web: WebProcess, alice: Character, fox: Path
) -> None:
    old = Program(web, alice)
    new = Program(web, replace(alice, secret=await rotate(alice, timedelta(hours=1))))
    async with (
        old.open(RECORDINGS, await old.ticket()) as leaked,
        new.open(RECORDINGS, await new.ticket()) as safe,
    ):
        assert await hear(leaked) == await hear(safe) == {"type": "ready"}
        kept = await old.ticket(), await new.ticket()
        await end_old_secret(alice)
        assert await closing_code(leaked) == 4401
        async with old.open(RECORDINGS, kept[0]) as late:
            assert await closing_code(late) == 4401
        async with new.open(RECORDINGS, kept[1]) as second:
            assert await hear(second) == {"type": "ready"}
        row = await queue(alice, fox)
        assert await hear(safe) == {"type": "changed", "recording": str(row.recording_id)}


async def test_what_is_old_or_made_up_opens_nothing(web: WebProcess, alice: Character) -> None:
    program = Program(web, alice)
    ticket = await program.ticket()
    with scope.across_tenants("a clock that runs faster"):
        await SocketTicket.objects.aupdate(expires_at=timezone.now())
    for wrong in (ticket, "", "wst_made_up", alice.secret, "%ff%00", f"{ticket}&ticket={await program.ticket()}"):
        async with program.open(RECORDINGS, wrong) as socket:
            assert await closing_code(socket) == 4401


async def test_mallorys_ticket_shows_what_an_unknown_id_shows(
    web: WebProcess, alice: Character, mallory: Character, fox: Path
) -> None:
    row, program = await queue(alice, fox), Program(web, mallory)
    for wanted in (str(row.id), UNKNOWN):
        async with program.open(f"/ws/transcriptions/{wanted}/", await program.ticket()) as socket:
            assert await closing_code(socket) == 4404


async def test_a_page_of_another_site_needs_a_ticket_and_no_cookie_helps(web: WebProcess, alice: Character) -> None:
    program = Program(web, alice)
    async with program.open(RECORDINGS, await program.ticket(), "https://elsewhere.example") as socket:
        assert await hear(socket) == {"type": "ready"}
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"{web.sockets}{RECORDINGS}", origin="https://elsewhere.example")  # type: ignore[arg-type]
    assert refused.value.response.status_code == 403


@pytest.mark.django_db
class TestTheDesk:
    def test_a_key_is_needed(self, client: Client, alice: Character) -> None:
        client.force_login(alice.user)
        assert client.post("/api/v1/socket-tickets").status_code == 401

    def test_nobody_can_read_a_ticket_from_the_database(self, alice: Character) -> None:
        answer = Client(headers=alice.bearer).post("/api/v1/socket-tickets")
        secret = answer.json()["ticket"]
        with scope.bound(alice.tenant.id):
            kept = SocketTicket.objects.get()
        assert secret not in str(vars(kept))
        assert kept.tenant_id == alice.tenant.id
        assert timedelta(seconds=30) <= kept.expires_at - timezone.now() <= timedelta(seconds=60)

    def test_old_ones_are_swept_when_a_new_one_is_issued(self, alice: Character, mallory: Character) -> None:
        post = Client(headers=alice.bearer).post
        post("/api/v1/socket-tickets")
        with scope.across_tenants("a clock that runs faster"):
            SocketTicket.objects.update(expires_at=timezone.now() - service.KEPT - timedelta(seconds=1))
            Client(headers=mallory.bearer).post("/api/v1/socket-tickets")
            assert [row.tenant_id for row in SocketTicket.objects.all()] == [mallory.tenant.id]

    def test_a_switched_off_tenant_redeems_nothing(self, alice: Character) -> None:
        secret = Client(headers=alice.bearer).post("/api/v1/socket-tickets").json()["ticket"]
        alice.tenant.is_active = False
        alice.tenant.save(update_fields=["is_active"])
        bearer = service.redeem(secret)
        assert bearer is not None
        assert api_keys.actor_of(bearer) is None

    def test_a_ticket_ends_with_the_secret_that_asked_for_it(self, alice: Character, within: None) -> None:
        old = self._opened(alice.secret)
        key, secret = api_keys.rotate(alice.actor, ApiKey.objects.get().id, timedelta(seconds=30))
        new = self._opened(secret)
        assert api_keys.actor_of(old)
        assert api_keys.actor_of(new)
        with time_machine.travel(timezone.now() + timedelta(seconds=31)):
            assert api_keys.actor_of(old) is None
            assert api_keys.actor_of(new)
        api_keys.rotate(alice.actor, key.id, timedelta(0))
        assert api_keys.actor_of(old) is None
        assert api_keys.actor_of(new) is None

    def test_a_ticket_that_names_no_secret_opens_nothing(self, alice: Character, within: None) -> None:
        secret = Client(headers=alice.bearer).post("/api/v1/socket-tickets").json()["ticket"]
        SocketTicket.objects.update(secret_prefix="")
        bearer = service.redeem(secret)
        assert bearer is not None
        assert api_keys.actor_of(bearer) is None

    @staticmethod
    def _opened(secret: str) -> Bearer:
        """Whom a socket would remember that this secret opened."""
        answer = Client(headers={"Authorization": f"Bearer {secret}"}).post("/api/v1/socket-tickets")
        bearer = service.redeem(answer.json()["ticket"])
        assert bearer is not None
        return bearer

"""The operations pages' WebSockets: who may open them, and what they cost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient

from portal.http import sockets as http_sockets
from portal.ops import board, sockets
from portal.ops.board import Board, View
from tenants import scope
from tenants.models import Tenant, User
from tests.conftest import Character
from tests.portal.http.test_uploads import signed_in
from tests.portal.ops.test_operations import transcription
from tests.portal.test_consumers import Socket
from transcription.models import Status
from transcription.queue import lifecycle

pytestmark = pytest.mark.django_db(transaction=True)
PATH = "/ws/operations/operations/"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_sockets, "RECHECK_SECONDS", 0.2)
    monkeypatch.setattr(board, "LEAST_SECONDS", 0.05)


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[set[View]]:
    """What was computed, in order."""
    found: list[set[View]] = []
    rendered = board.rendered

    async def counted(views: Iterable[View]) -> dict[View, str]:
        found.append(set(views))
        result: dict[View, str] = await rendered(views)
        return result

    monkeypatch.setattr(board, "rendered", counted)
    return found


async def cookie_of(user: User) -> str:
    client = AsyncClient()
    await client.aforce_login(user)
    return f"sessionid={client.cookies['sessionid'].value}"


async def open_page(user: User, path: str = PATH) -> Socket:
    socket = Socket(path, await cookie_of(user))
    assert await socket.connect()
    return socket


async def test_a_page_is_pushed_when_something_changes(olivia: User, acme: Tenant) -> None:
    row = await sync_to_async(transcription)(acme, Status.QUEUED)
    socket = await open_page(olivia, "/ws/operations/operations_queue/?lane=1")
    assert "A meeting.wav" in (await socket.hear())["html"]

    @sync_to_async
    def cancel() -> None:
        with scope.bound(acme.id):
            assert lifecycle.cancel(row)

    await cancel()
    while "A meeting.wav" in (await socket.hear())["html"]:
        pass
    await socket.hang_up()


async def test_one_computation_serves_all_who_watch_and_none_is_made_for_nobody(
    olivia: User, computed: list[set[View]]
) -> None:
    first, second = await open_page(olivia), await open_page(olivia)
    await first.hear()
    await second.hear()
    assert {len(views) for views in computed} == {1}
    await first.hang_up()
    await second.hang_up()
    made = len(computed)
    sockets.board().change()
    await asyncio.sleep(0.3)
    assert len(computed) == made


async def test_pages_are_pushed_to_others_when_the_first_one_leaves(olivia: User) -> None:
    first, second = await open_page(olivia), await open_page(olivia)
    await first.hear()
    await first.hang_up()
    while not await second.receive_nothing():  # type: ignore[no-untyped-call]
        await second.hear()
    sockets.board().change()
    assert await second.hear()
    await second.hang_up()


async def test_who_takes_a_page_slowly_holds_nobody_up() -> None:
    asked: list[str] = []
    shown: asyncio.Queue[str] = asyncio.Queue()
    watched, view = Board(), View("operations_engines", (), "en", False)

    async def never_done(html: str) -> None:
        asked.append(html)
        await asyncio.Event().wait()

    watched.join(never_done, view)
    watched.join(shown.put, view)
    for _time in range(2):
        async with asyncio.timeout(4):
            await shown.get()
        watched.change()
    watched.leave(never_done)
    watched.leave(shown.put)
    assert len(asked) == 1


async def test_a_socket_that_can_not_be_checked_is_closed(olivia: User, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_of: object) -> None:
        raise RuntimeError

    socket = await open_page(olivia)
    await socket.hear()
    monkeypatch.setattr(sockets.OperationsConsumer, "view", broken)
    assert await socket.closing_code() == 1011


async def test_who_is_no_operator_or_not_any_more_sees_nothing(olivia: User, alice: Character) -> None:
    member = Socket(PATH, f"sessionid={await signed_in(alice)}")
    assert await member.connect()
    assert await member.closing_code() == 4401
    socket = await open_page(olivia)
    await User.objects.filter(pk=olivia.pk).aupdate(is_superuser=False)
    assert await socket.closing_code() == 4401


async def test_another_sites_page_opens_none_with_a_ticket_or_without(olivia: User) -> None:
    cookie = await cookie_of(olivia)
    assert not await Socket(PATH, cookie, "https://evil.example").connect()
    socket = Socket(f"{PATH}?ticket=made-up", cookie, "https://evil.example")
    assert await socket.connect()
    assert await socket.closing_code() == 4401

"""Several people have one transcript open: who is where, and that it changed, against the real channel layer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from django.test import AsyncClient, Client

from portal import consumers
from portal.http import sockets
from portal.http.sockets import NOT_FOUND, NOT_SIGNED_IN
from tenants import scope
from tenants.models import Tenant
from tests.conftest import Character
from tests.portal.test_consumers import Socket, socket_of
from tests.portal.web.conftest import act_for, make_transcription
from transcription.comments import threads
from transcription.folders import folders
from transcription.intake import accept
from transcription.library import moving, renaming, texts
from transcription.models import Recording, Transcription
from transcription.options.options import TranscriptionOptions
from transcription.queue import progress
from transcription.strikes import MASK
from transcription.transcripts import editing, proofreading, striking

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sockets, "RECHECK_SECONDS", 0.2)
    yield
    progress.flush()


@pytest.fixture
def row(alice: Character) -> Transcription:
    return make_transcription(alice.tenant)


def path_of(row: Transcription) -> str:
    return f"/ws/transcripts/{row.id}/"


async def heard(socket: Socket, kind: str) -> dict[str, Any]:
    """Returns the next message of a kind; others come in between."""
    while (message := await socket.hear())["type"] != kind:
        pass
    return message


async def say(socket: Socket, **place: Any) -> None:
    await socket.send_input({"type": "websocket.receive", "text": json.dumps({"type": "here", **place})})


async def test_support_is_not_shown_as_the_member_and_leaves_with_the_visit(
    alice: Character, bob: Character, row: Transcription
) -> None:
    client = Client()
    await sync_to_async(act_for)(client, alice.member)
    key = await sync_to_async(lambda: client.session.session_key)()
    hers, bobs = Socket(path_of(row), f"sessionid={key}"), await socket_of(bob, path_of(row))
    assert await hers.connect()
    await say(hers, segment=0, typing=True)
    await correct(alice, row, "Good evening.")
    told = [await bobs.hear()]
    while told[-1] != {"type": "revision", "revision": 1}:
        told.append(await bobs.hear())
    assert "here" not in {message["type"] for message in told}
    await Tenant.objects.filter(pk=alice.tenant.pk).aupdate(bars_support=True)
    assert await hers.closing_code() == NOT_SIGNED_IN
    await bobs.hang_up()


@sync_to_async
def correct(who: Character, row: Transcription, text: str) -> None:
    with scope.bound(who.tenant.id):
        editing.edit(who.actor, row.id, 0, {"*"}, text)


@sync_to_async
def comment(who: Character, row: Transcription, text: str) -> None:
    with scope.bound(who.tenant.id):
        threads.comment(who.actor, row.recording_id, 0.0, 1.0, text)


async def test_each_sees_where_the_other_is_and_that_they_left(
    alice: Character, bob: Character, row: Transcription
) -> None:
    hers, his = await socket_of(alice, path_of(row)), await socket_of(bob, path_of(row))
    assert (await heard(his, "revision"))["revision"] == 0
    await heard(hers, "ask")
    await say(hers, segment=1, typing=True)
    here = await heard(his, "here")
    assert (here["name"], here["segment"], here["typing"], here["own"]) == ("alice@acme.example", 1, True, False)
    await say(his, segment=0, typing=True)
    there = await heard(hers, "here")
    assert (there["name"], there["segment"], there["typing"]) == ("bob@acme.example", 0, False), "he only reads"
    await hers.hang_up()
    assert (await heard(his, "gone"))["page"] == here["page"]
    await his.hang_up()


async def test_a_correction_is_told_at_once_and_once(alice: Character, bob: Character, row: Transcription) -> None:
    his = await socket_of(bob, path_of(row))
    assert await heard(his, "revision") == {"type": "revision", "revision": 0}
    await correct(alice, row, "Good evening.")
    assert await heard(his, "revision") == {"type": "revision", "revision": 1}
    await his.hang_up()


async def test_another_text_of_the_recording_is_told_and_the_way_back(
    alice: Character, bob: Character, row: Transcription
) -> None:
    his = await socket_of(bob, path_of(row))
    assert (await heard(his, "revision"))["revision"] == 0
    await sync_to_async(transcribe_again)(alice, row)
    assert await heard(his, "latest") == {"type": "latest", "latest": False}
    await sync_to_async(choose)(alice, row)
    assert await heard(his, "latest") == {"type": "latest", "latest": True}
    await his.hang_up()


def transcribe_again(who: Character, row: Transcription) -> None:
    with scope.bound(who.tenant.id):
        accept.transcribe_again(who.actor, row.recording, TranscriptionOptions.from_fields({"language": "de"}))


def choose(who: Character, row: Transcription) -> None:
    with scope.bound(who.tenant.id):
        texts.choose(who.actor, row.id)


async def test_another_name_is_told_to_open_pages(alice: Character, bob: Character, row: Transcription) -> None:
    his = await socket_of(bob, path_of(row))
    assert (await heard(his, "revision"))["revision"] == 0
    await sync_to_async(rename)(alice, row, "Board meeting")
    assert await heard(his, "name") == {"type": "name", "name": "Board meeting"}
    await his.hang_up()


def rename(who: Character, row: Transcription, name: str) -> None:
    with scope.bound(who.tenant.id):
        renaming.rename(who.actor, row.recording_id, name)


async def test_what_is_checked_is_told_at_once_and_programs_hear_no_name(
    alice: Character, bob: Character, row: Transcription, monkeypatch: pytest.MonkeyPatch
) -> None:
    his, theirs = await socket_of(bob, path_of(row)), await program_of(alice, path_of(row))
    for one in (his, theirs):
        assert (await heard(one, "revision"))["revision"] == 0
    await check(alice, row, 0)
    told = await heard(his, "checks")
    assert (told["checked_words"], told["sentence"]) == (2, f"Checked {told['percent']} % by alice@acme.example")
    assert await heard(theirs, "checks") == {name: told[name] for name in ("type", "percent", "words", "checked_words")}
    monkeypatch.setattr(progress, "_publish", lambda _messages: None)
    await check(alice, row, 0, is_right=False)
    assert (await heard(his, "checks"))["sentence"] == ""
    for one in (his, theirs):
        await one.hang_up()


async def program_of(who: Character, path: str) -> Socket:
    answer = await AsyncClient().post("/api/v1/socket-tickets", headers=who.bearer)
    socket = Socket(f"{path}?ticket={answer.json()['ticket']}")
    assert await socket.connect()
    return socket


@sync_to_async
def check(who: Character, row: Transcription, index: int, is_right: bool = True) -> None:
    with scope.bound(who.tenant.id):
        mark = proofreading.check if is_right else proofreading.uncheck
        mark(who.actor, row.id, index, 0, None, {"*"})


async def test_who_only_reads_hears_that_something_was_said_and_no_word_of_it(
    alice: Character, bob: Character, row: Transcription
) -> None:
    his = await socket_of(bob, path_of(row))
    assert (await heard(his, "revision"))["revision"] == 0
    await comment(alice, row, "Nobody may say.")
    assert await heard(his, "comments") == {"type": "comments"}
    await his.hang_up()


async def test_a_lost_event_is_made_up_for(
    alice: Character, bob: Character, row: Transcription, monkeypatch: pytest.MonkeyPatch
) -> None:
    his = await socket_of(bob, path_of(row))
    assert (await heard(his, "revision"))["revision"] == 0
    monkeypatch.setattr(progress, "_publish", lambda _messages: None)
    await correct(alice, row, "Good evening.")
    assert (await heard(his, "revision"))["revision"] == 1
    await his.hang_up()


async def test_mallory_a_deleted_recording_and_one_under_way_have_no_such_socket(
    alice: Character, mallory: Character, row: Transcription
) -> None:
    stranger = await socket_of(mallory, path_of(row))
    assert await stranger.closing_code() == NOT_FOUND
    under_way = await sync_to_async(make_transcription)(alice.tenant, status="running")
    early = await socket_of(alice, path_of(under_way))
    assert await early.closing_code() == NOT_FOUND
    hers = await socket_of(alice, path_of(row))
    await heard(hers, "revision")
    with scope.bound(alice.tenant.id):
        await Recording.objects.filter(id=row.recording_id).aupdate(deleted_at="2026-01-01T00:00:00Z")
    assert await hers.closing_code() == NOT_FOUND


async def test_a_flood_of_places_closes_the_socket(alice: Character, row: Transcription) -> None:
    hers = await socket_of(alice, path_of(row))
    for number in range(consumers.MAX_PLACES + 1):
        await say(hers, segment=number, typing=False)
    assert await hers.closing_code() == consumers.TOO_MANY


async def test_what_is_no_place_is_passed_to_nobody(alice: Character, bob: Character, row: Transcription) -> None:
    hers, his = await socket_of(alice, path_of(row)), await socket_of(bob, path_of(row))
    await heard(his, "revision")
    for place in ({"segment": "<b>", "typing": True}, {"segment": 1}, {"segment": 1, "typing": "yes"}, {}):
        await say(hers, **place)
    await say(hers, segment=None, typing=False)
    assert (await heard(his, "here"))["segment"] is None
    await hers.hang_up()
    await his.hang_up()


async def test_what_is_heard_again_comes_without_what_is_struck(alice: Character, row: Transcription) -> None:
    @sync_to_async
    def tell() -> None:
        with scope.bound(alice.tenant.id):
            stale = Transcription.objects.select_related("recording").get(pk=row.pk)
            striking.strike(alice.actor, row.id, (4.0, 5.0), {"*"})
            progress.announce_progress(stale, 1, list(row.segments.all()))
            striking.strike(alice.actor, row.id, (0.0, 99.0), {"*"}, back=True)
            Recording.objects.filter(pk=row.recording_id).delete()
            progress.announce_progress(stale, 2, list(row.segments.all()))

    layer = get_channel_layer()
    name = await layer.new_channel()
    await layer.group_add(progress.transcription_group(row.id), name)
    await tell()
    event = await layer.receive(name)
    assert [segment["text"] for segment in event["segments"]] == ["Good morning.", MASK]


@sync_to_async
def to_a_folder(who: Character, row: Transcription) -> None:
    with scope.bound(who.tenant.id):
        folder = folders.create(who.actor, "Board", restricted=True)
        moving.move(who.actor, row.recording_id, folder)


async def test_who_is_not_in_the_folder_any_more_hears_nothing_of_its_recordings(
    alice: Character, bob: Character, row: Transcription
) -> None:
    his = await socket_of(bob, path_of(row))
    lists = [await socket_of(who, "/ws/recordings/") for who in (alice, bob)]
    assert [(await socket.hear())["type"] for socket in lists] == ["ready", "ready"]
    await to_a_folder(alice, row)
    assert await his.closing_code() == NOT_FOUND
    assert await (await socket_of(bob, path_of(row))).closing_code() == NOT_FOUND
    other = await sync_to_async(make_transcription)(alice.tenant, "open.mp3")
    for one in (row, other):
        await sync_to_async(progress.announce_change)(alice.tenant.id, one.recording_id, one.id)
    assert [(await lists[0].hear())["recording"] for _ in range(2)] == [str(row.recording_id), str(other.recording_id)]
    assert (await lists[1].hear())["recording"] == str(other.recording_id)
    for socket in lists:
        await socket.hang_up()

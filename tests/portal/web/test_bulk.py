"""The same done to many recordings, as the library's script asks for it."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import pytest
from django.http import StreamingHttpResponse
from django.test import Client
from django.utils import timezone

from tenants import scope
from tenants.access import Actor
from tenants.models import AuditEntry
from tests.conftest import Character
from tests.portal.web.conftest import Make
from transcription.folders import folders
from transcription.library import bulk, moving, tags
from transcription.library import recordings as library
from transcription.models import Recording, Segment, Status, Transcription

MANY = "/recordings/many/"


@pytest.fixture
def rows(alice: Character, make: Make) -> list[Transcription]:
    return [make(alice.tenant, f"take {number}.mp3") for number in range(3)]


def later() -> str:
    return (timezone.now() + timedelta(hours=1)).isoformat()


def ids(rows: list[Transcription]) -> list[str]:
    return [str(row.recording_id) for row in rows]


def ask(client: Client, address: str = MANY, **body: Any) -> Any:
    answer = client.post(address, json.dumps(body), content_type="application/json")
    assert answer.status_code == 200, answer.content
    return answer.json()


def shown(client: Client, query: str = "") -> set[str]:
    text = client.get(f"/recordings/?{query}").content.decode()
    return {f"take {number}" for number in range(3) if f"take {number}.mp3" in text}


def test_all_that_match_are_tagged_part_by_part(
    as_alice: Client, rows: list[Transcription], make: Make, alice: Character, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(alice.tenant, "other.mp3")
    monkeypatch.setattr(bulk, "MOST", 2)
    asked: dict[str, Any] = {"action": "tag", "filters": {"search": "take"}, "until": later(), "name": "Board"}
    first = ask(as_alice, **asked)
    second = ask(as_alice, **asked, cursor=first["cursor"])
    assert (len(first["done"]), len(second["done"]), second["cursor"]) == (2, 1, None)
    assert {*first["done"], *second["done"]} == {*ids(rows)}
    assert shown(as_alice, "tag=board") == {"take 0", "take 1", "take 2"}
    ask(as_alice, action="untag", ids=ids(rows[:1]), name="BOARD")
    assert shown(as_alice, "tag=board") == {"take 1", "take 2"}


def test_who_has_no_room_is_named_and_stops_no_other(
    as_alice: Client, alice: Character, rows: list[Transcription], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tags, "MOST_ON_ONE", 1)
    ask(as_alice, action="tag", ids=ids(rows[:1]), name="Talk")
    answer = ask(as_alice, action="tag", ids=ids(rows), name="Board")
    assert {*answer["done"]} == {*ids(rows[1:])}
    assert answer["failed"] == [{"name": "take 0.mp3", "reason": "A recording has at most 1 tags."}]


def test_what_is_deleted_comes_back(as_alice: Client, rows: list[Transcription]) -> None:
    deleted = ask(as_alice, action="delete", filters={"search": "take"}, until=later())["done"]
    assert shown(as_alice) == set()
    answer = ask(as_alice, action="restore", ids=[*deleted, str(rows[0].id)])
    assert (len(answer["done"]), len(answer["failed"])) == (3, 1)
    assert shown(as_alice) == {"take 0", "take 1", "take 2"}


def test_a_part_ends_after_a_second(
    as_alice: Client, rows: list[Transcription], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "SECONDS", -1.0)
    first = ask(as_alice, action="delete", ids=ids(rows))
    assert (first["done"], bool(first["cursor"])) == (ids(rows[2:]), True)
    assert ask(as_alice, action="delete", ids=ids(rows), cursor=first["cursor"])["done"] == ids(rows[1:2])


def test_what_it_costs_is_said_before_and_what_is_refused_by_name(
    as_alice: Client, alice: Character, rows: list[Transcription]
) -> None:
    with scope.bound(alice.tenant.id):
        Recording.objects.filter(id=rows[0].recording_id).update(audio_deleted_at=timezone.now())
    answer = ask(as_alice, f"{MANY}count/", ids=ids(rows))
    assert answer == {"count": 3, "minutes": 4, "left": 600, "without_audio": 1}
    answer = ask(as_alice, action="again", ids=ids(rows), options={"language": "fr"})
    assert {*answer["done"]} == {*ids(rows[1:])}
    assert [failure["name"] for failure in answer["failed"]] == ["take 0.mp3"]
    with scope.bound(alice.tenant.id):
        assert Transcription.objects.filter(status=Status.QUEUED, language="fr").count() == 2


@pytest.mark.parametrize(
    "body",
    [
        {"action": "delete"},
        {"action": "delete", "ids": []},
        {"action": "delete", "ids": ["x"]},
        {"action": "delete", "ids": ["00000000-0000-4000-8000-000000000000"] * 1001},
        {"action": "explode", "filters": {}, "until": "2999-01-01T00:00Z"},
        {"action": "tag", "filters": {}, "until": "2999-01-01T00:00Z", "name": "a,b"},
        {"action": "delete", "filters": {}},
        {"action": "delete", "filters": {}, "until": "2026-99-99T00:00Z"},
        {"action": "untag", "filters": {}, "until": "2999-01-01T00:00Z", "name": "nothing"},
        {"action": "again", "filters": {}, "until": "2999-01-01T00:00Z", "options": {"language": "klingon"}},
    ],
)
def test_what_makes_no_sense_is_done_to_none(body: dict[str, Any], as_alice: Client, rows: list[Transcription]) -> None:
    answer = as_alice.post(MANY, json.dumps(body), content_type="application/json")
    assert answer.status_code == 400
    assert shown(as_alice) == {"take 0", "take 1", "take 2"}


def test_a_place_that_was_never_told_is_none(as_alice: Client, rows: list[Transcription]) -> None:
    body = {"action": "delete", "filters": {}, "until": "2999-01-01T00:00Z", "cursor": "x"}
    assert as_alice.post(MANY, json.dumps(body), content_type="application/json").status_code == 404


def test_a_viewer_and_a_stranger_change_nothing(
    as_bob: Client, client: Client, mallory: Character, rows: list[Transcription]
) -> None:
    body = json.dumps({"action": "delete", "ids": ids(rows)})
    assert as_bob.post(MANY, body, content_type="application/json").status_code == 403
    client.force_login(mallory.user)
    for action in ("delete", "restore", "tag", "again"):
        assert ask(client, action=action, ids=ids(rows), name="x")["done"] == []
    assert ask(client, f"{MANY}count/", ids=ids(rows))["count"] == 0
    assert unzipped(client, {"ids": ids(rows)}) == {}
    assert shown(as_bob) == {"take 0", "take 1", "take 2"}


def unzipped(client: Client, selection: dict[str, Any], format: str = "txt") -> dict[str, str]:
    fields = {"selection": json.dumps(selection), "format": format}
    answer = cast(StreamingHttpResponse, client.post(f"{MANY}transcripts.zip", fields))
    assert answer.status_code == 200

    async def read() -> bytes:
        return b"".join([chunk async for chunk in cast(AsyncIterator[bytes], answer.streaming_content)])

    with zipfile.ZipFile(io.BytesIO(asyncio.run(read()))) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name).decode() for name in archive.namelist()}


@pytest.mark.django_db(transaction=True)
def test_transcripts_come_as_one_zip_whatever_they_are_called(as_alice: Client, alice: Character, make: Make) -> None:
    for name in ("../../etc/passwd.mp3", "A.mp3", "a.wav", "con.mp3", "..", "C:\\x\u202e.mp3", "会议.mp3"):
        make(alice.tenant, name)
    running = make(alice.tenant, "running.mp3", Status.RUNNING)
    gone = make(alice.tenant, "gone.mp3", text_deleted_at=timezone.now())
    with scope.bound(alice.tenant.id):
        Segment.objects.filter(transcription__in=[running, gone]).delete()
    found = unzipped(as_alice, {"filters": {"by": "all"}, "until": later()})
    left_out = found.pop("_left out.txt")
    assert {"running.mp3", "gone.mp3"} <= {*left_out.split("\n")}
    assert {*found} == {
        ".._.._etc_passwd.txt".lstrip("."), "A (2).txt", "a.txt", "_con.txt", "_.txt", "C__x.txt", "会议.txt"
    }  # fmt: skip
    assert all("Good morning." in text for text in found.values())
    with scope.bound(alice.tenant.id):
        assert AuditEntry.objects.filter(action="transcript.exported").count() == 7


def test_what_came_after_all_were_selected_is_left_alone(
    as_alice: Client, rows: list[Transcription], make: Make, alice: Character
) -> None:
    until = as_alice.get("/recordings/").content.decode().split('data-now="')[1].split('"')[0]
    make(alice.tenant, "late.mp3")
    done = ask(as_alice, action="delete", filters={"by": "all"}, until=until)["done"]
    assert {*done} == {*ids(rows)}
    assert "late.mp3" in as_alice.get("/recordings/").content.decode()


def test_an_error_in_the_middle_tells_what_was_done_before_it(
    as_alice: Client, rows: list[Transcription], monkeypatch: pytest.MonkeyPatch
) -> None:
    delete = library.delete

    def failing(actor: Actor, recording_id: UUID) -> Recording:
        if str(recording_id) == ids(rows)[1]:
            raise RuntimeError("the database is away")
        return delete(actor, recording_id)

    monkeypatch.setattr(library, "delete", failing)
    part = ask(as_alice, action="delete", ids=ids(rows))
    assert (part["done"], part["failed"]) == (ids(rows)[2:], [])
    assert part["cursor"], "where to go on"


@pytest.mark.django_db(transaction=True)
def test_the_zip_has_the_newest_text_though_a_later_run_failed_and_names_are_short(
    as_alice: Client, alice: Character, make: Make
) -> None:
    good = make(alice.tenant, "会" * 130 + ".mp3")
    make(alice.tenant, "会" * 131 + ".mp3")
    with scope.bound(alice.tenant.id):
        Transcription.objects.create(tenant=alice.tenant, recording=good.recording, model="base", status=Status.FAILED)
    found = unzipped(as_alice, {"filters": {"by": "all"}, "until": later()})
    assert len(found) == 2
    assert max(len(name.encode()) for name in found) < 255


def test_a_zip_that_is_read_slowly_ends_where_a_folder_is_closed(
    alice: Character, bob: Character, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "MOST", 1)
    made = [make(alice.tenant, f"take {number}.mp3").recording_id for number in range(3)]
    with scope.bound(alice.tenant.id):
        folder = folders.create(alice.actor, "Board")
        for one in made:
            moving.move(alice.actor, one, folder)
        rows = bulk.every(bob.actor, library.recordings(bob.actor))
        first = next(rows)
        folders.change(alice.actor, folder.id, restricted=True)
        assert (first.name, [*rows]) == ("take 2.mp3", [])


@pytest.mark.parametrize("fields", [{}, {"selection": "{", "format": "txt"}, {"selection": "[]", "format": "txt"}])
def test_a_zip_of_nothing_is_refused(fields: dict[str, str], as_alice: Client, rows: list[Transcription]) -> None:
    assert as_alice.post(f"{MANY}transcripts.zip", fields).status_code == 400
    chosen = {"selection": json.dumps({"ids": ids(rows)}), "format": "exe"}
    assert as_alice.post(f"{MANY}transcripts.zip", chosen).status_code == 404

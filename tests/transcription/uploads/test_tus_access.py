"""Who may send files by tus, and how much."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings as django_settings
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client

from tenants import scope
from tenants.models import AuditEntry, Quota, RequestBudget
from tests.conftest import Character
from tests.portal.web.conftest import act_for
from tests.transcription.uploads.conftest import BYTES, UNKNOWN, Tus, id_of, named, recordings
from transcription.uploads import creation, files
from transcription.uploads.models import Upload

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("method", ["HEAD", "PATCH", "DELETE", "GET"])
async def test_a_stranger_gets_the_answer_for_nothing(tus: Tus, mallory: Character, method: str) -> None:
    url = await tus.create(1000, filename="Acme's secret plan.mp3")
    stranger = Tus(tus.http, mallory.bearer)
    answers = [
        await stranger.ask(method, there, b"x" if method == "PATCH" else None, Upload_Offset="0", **named(BYTES))
        for there in (url, UNKNOWN)
    ]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].content == answers[1].content
    assert await tus.offset(url) == 0


async def test_without_a_key_or_a_session_nothing_is_written(tus: Tus, uploads_dir: Path) -> None:
    url = await tus.create(1000)
    nobody = Tus(tus.http)
    for answer in (
        await nobody.patch(url, 0, b"x"),
        await nobody.ask("HEAD", url),
        await nobody.ask("POST", tus.address, b"x", Upload_Length="10", **named(BYTES)),
    ):
        assert answer.status_code == 401
    assert await tus.offset(url) == 0


async def test_pieces_count_as_requests_and_one_too_many_waits(tus: Tus, alice: Character) -> None:
    url = await tus.create(1000)
    await RequestBudget.objects.filter(tenant=alice.tenant).aupdate(empty_at=datetime.now(UTC).timestamp() + 3600)
    answer = await tus.patch(url, 0, b"x")
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_requests")
    assert files.size(id_of(url)) == 0


@sync_to_async
def session_of(character: Character) -> str:
    session = SessionStore()
    session["_auth_user_id"] = str(character.user.pk)
    session["_auth_user_backend"] = django_settings.AUTHENTICATION_BACKENDS[0]
    session["_auth_user_hash"] = character.user.get_session_auth_hash()
    session.create()
    return str(session.session_key)


TOKEN = "t" * 32


async def test_a_member_uploads_with_the_session_and_its_token(tus: Tus, sound: bytes, alice: Character) -> None:
    cookies = f"sessionid={await session_of(alice)}; csrftoken={TOKEN}"
    member = Tus(tus.http, {"Cookie": cookies, "X-CSRFToken": TOKEN})
    url = await member.create(len(sound), filename="a.wav", source="microphone")
    answer = await member.patch(url, 0, sound)
    assert (answer.status_code, answer.headers["upload-state"]) == (204, "accepted")
    [recording] = await recordings()
    assert (recording.source, recording.created_by, recording.api_key) == ("microphone", alice.user, None)


async def test_what_support_uploads_is_told_of_the_operator(tus: Tus, sound: bytes, alice: Character) -> None:
    client = await sync_to_async(Client)()
    await sync_to_async(act_for)(client, alice.member)
    key = await sync_to_async(lambda: client.session.session_key)()
    support = Tus(tus.http, {"Cookie": f"sessionid={key}; csrftoken={TOKEN}", "X-CSRFToken": TOKEN})
    url = await support.create(len(sound), filename="a.wav")
    assert (await support.patch(url, 0, sound)).headers["upload-state"] == "accepted"
    assert await told_of("recording.created") == ["operator olivia@portal.example for member alice@acme.example"]


@sync_to_async
def told_of(action: str) -> list[str]:
    with scope.across_tenants("a test looks"):
        return list(AuditEntry.objects.filter(action=action).values_list("actor_name", flat=True))


async def test_another_site_can_not_send_with_a_member_s_session(tus: Tus, alice: Character) -> None:
    cookies = f"sessionid={await session_of(alice)}; csrftoken={TOKEN}"
    url = await tus.create(1000)
    for headers in ({"Cookie": cookies}, {"Cookie": cookies, "X-CSRFToken": "z" * 32}):
        forged = Tus(tus.http, headers)
        for answer in (
            await forged.patch(url, 0, b"x"),
            await forged.ask("POST", tus.address, Upload_Length="10"),
            await forged.ask("POST", tus.address, b"x", Upload_Length="10", **named(BYTES)),
            await forged.ask("DELETE", url),
        ):
            assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    assert await tus.offset(url) == 0
    assert await Upload._base_manager.acount() == 1


async def test_a_viewer_uploads_nothing(tus: Tus, bob: Character) -> None:
    url = await tus.create(1000)
    cookies = f"sessionid={await session_of(bob)}; csrftoken={TOKEN}"
    viewer = Tus(tus.http, {"Cookie": cookies, "X-CSRFToken": TOKEN})
    for answer in (await viewer.ask("POST", tus.address, Upload_Length="10"), await viewer.patch(url, 0, b"x")):
        assert answer.status_code == 403


async def test_declared_lengths_count_as_stored_while_they_are_open(tus: Tus, alice: Character) -> None:
    await Quota.objects.filter(tenant=alice.tenant).aupdate(stored_bytes=1000, stored_bytes_used=100)
    url = await tus.create(800)
    answer = await tus.ask("POST", tus.address, Upload_Length="101")
    assert (answer.status_code, answer.json()["code"]) == (402, "quota_stored_bytes")
    assert "100" in answer.json()["detail"]
    await tus.ask("DELETE", url)
    await tus.create(101)


async def test_a_spent_month_is_said_before_the_first_byte(tus: Tus, alice: Character) -> None:
    await Quota.objects.filter(tenant=alice.tenant).aupdate(monthly_seconds=0)
    answer = await tus.ask("POST", tus.address, Upload_Length="1000")
    assert (answer.status_code, answer.json()["code"]) == (402, "quota_monthly_seconds")


async def test_only_so_many_uploads_are_open(tus: Tus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(creation, "MOST_OPEN", 2)
    await tus.create(10)
    await tus.create(10)
    answer = await tus.ask("POST", tus.address, Upload_Length="10")
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_uploads")
    listed = (await tus.ask("GET", tus.address)).json()["results"]
    assert [row["length"] for row in listed] == [10, 10]


async def test_a_full_disk_refuses(tus: Tus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "FREE_BYTES", 2**62)
    answer = await tus.ask("POST", tus.address, Upload_Length="10")
    assert (answer.status_code, answer.json()["code"]) == (507, "no_room")

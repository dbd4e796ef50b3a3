"""The audit log through the API: what is written by what is done, and what is found."""

from __future__ import annotations

import json
import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import time_machine
from channels.db import database_sync_to_async as in_thread
from django.test import Client
from django.utils import timezone

from portal.asgi import application
from tenants import audit, scope
from tenants.models import AuditEntry
from tests.conftest import Character
from tests.portal.api.characters import bearer, send
from tests.portal.test_consumers import socket_of
from tests.portal.web.conftest import make_transcription
from tests.stack import Stack
from transcription import search
from transcription.models import Status

AUDIT = "/api/v1/audit"
HERE = "203.0.113.9"
NEITHER = {"more": False, "private": False}


def told(who: Character) -> list[tuple[str, dict[str, Any]]]:
    """Actions with their details, the oldest first, without those of the keys that tests make."""
    with scope.bound(who.tenant.id):
        rows = AuditEntry.objects.exclude(action="key.created").order_by("id")
        return [(row.action, row.details) for row in rows]


@pytest.mark.django_db
class TestWhatIsWritten:
    def test_reading_a_transcript(self, alice: Character, client: Client) -> None:
        row, reader = make_transcription(alice.tenant), bearer(alice, "read")
        recording = str(row.recording_id)
        for path in (f"recordings/{recording}/transcript.srt", f"transcriptions/{row.id}/transcript.txt"):
            assert client.get(f"/api/v1/{path}", headers=reader, REMOTE_ADDR=HERE).status_code == 200
        assert told(alice) == [
            ("transcript.exported", {"recording": recording, "format": "srt"}),
            ("transcript.exported", {"recording": recording, "format": "txt"}),
        ]
        with scope.bound(alice.tenant.id):
            entry = AuditEntry.objects.filter(action="transcript.exported")[0]
        assert (entry.actor_kind, entry.actor_name, entry.address) == ("key", "A key to read", HERE)
        assert (entry.object_type, entry.object_id) == ("transcription", str(row.id))

    def test_looking_at_a_recording_is_not_reading(self, alice: Character, client: Client) -> None:
        row, reader = make_transcription(alice.tenant), bearer(alice, "read")
        for path in ("recordings", f"recordings/{row.recording_id}", f"transcriptions/{row.id}"):
            assert client.get(f"/api/v1/{path}", headers=reader).status_code == 200
        assert told(alice) == []

    def test_what_was_refused_is_not_told(self, alice: Character, mallory: Character, client: Client) -> None:
        row = make_transcription(alice.tenant)
        address = f"/api/v1/recordings/{row.recording_id}"
        assert client.delete(address, headers=bearer(alice, "read")).status_code == 403
        assert client.get(f"{address}/transcript.txt", headers=bearer(mallory)).status_code == 404
        assert client.get(f"{address}/transcript.exe", headers=bearer(alice)).status_code == 404
        assert told(alice) == told(mallory) == []

    def test_a_search_tells_what_was_shown_and_never_the_words(self, alice: Character, client: Client) -> None:
        row, unheard = make_transcription(alice.tenant), make_transcription(alice.tenant, "Risks.mp3", Status.QUEUED)
        with scope.bound(alice.tenant.id):
            for one in (row, unheard):
                search.index_recording(one.recording_id)
        reader = bearer(alice, "read")
        for words in ("risks", "unheard-of"):
            assert client.get("/api/v1/search", {"q": words}, headers=reader).status_code == 200
        assert client.get("/api/v1/search", {"q": "risks", "cursor": "x"}, headers=reader).status_code == 400
        assert told(alice) == [
            ("transcript.searched", {"hits": 2, "transcriptions": [str(row.id)]}),
            ("transcript.searched", {"hits": 0, "transcriptions": []}),
        ]
        admin = bearer(alice)
        found = client.get(f"{AUDIT}?object={str(row.id).upper()}", headers=admin).json()["results"]
        assert [entry["details"]["hits"] for entry in found] == [2]
        assert client.get(f"{AUDIT}?object={unheard.id}", headers=admin).json()["results"] == []

    def test_cancelling_another_transcription_and_erasing(self, alice: Character, client: Client) -> None:
        row, writer = make_transcription(alice.tenant), bearer(alice, "write")
        address = f"/api/v1/recordings/{row.recording_id}"
        made = send(client, "POST", f"{address}/transcriptions", writer, {"prompt": "unheard of"}).json()["id"]
        assert send(client, "POST", f"/api/v1/transcriptions/{made}/cancel", writer).status_code == 200
        assert send(client, "POST", f"/api/v1/transcriptions/{made}/cancel", writer).status_code == 409
        assert client.delete(address, headers=writer).status_code == 204
        recording = str(row.recording_id)
        assert told(alice) == [
            ("transcription.created", {"recording": recording, "model": "base", "reused": False}),
            ("transcription.cancelled", {"recording": recording}),
            ("recording.erased", {"sha256": "0" * 64, "objects": sorted([str(row.id), made])} | NEITHER),
        ]

    def test_all_that_happens_to_a_key(self, alice: Character, client: Client) -> None:
        admin = bearer(alice)
        key = send(client, "POST", "/api/v1/keys", admin, {"name": "x", "scope": "read"}).json()
        address = f"/api/v1/keys/{key['id']}"
        send(client, "PATCH", address, admin, {"addresses": [HERE]})
        send(client, "PATCH", address, admin, {"addresses": [HERE]})
        secret = send(client, "POST", f"{address}/rotate", admin, {"grace_seconds": 60}).json()["secret"]
        send(client, "DELETE", f"{address}/old-secret", admin)
        send(client, "DELETE", address, admin)
        entries = send(client, "GET", f"{AUDIT}?object={key['id']}", admin).json()["results"]
        assert [(entry["action"], entry["details"]) for entry in entries[::-1]] == [
            (
                "key.created",
                {"name": "x", "scope": "read", "addresses": [], "folders": [], "folders_count": 0, "expires_at": None},
            ),
            ("key.changed", {"fields": ["addresses"], "addresses": [HERE]}),
            ("key.rotated", {"grace_seconds": 60}),
            ("key.old_secret_ended", {}),
            ("key.revoked", {"name": "x"}),
        ]
        assert secret[-20:] not in json.dumps(entries)
        assert key["secret"][-20:] not in json.dumps(entries)


@pytest.mark.django_db(transaction=True)
class TestWhatIsWrittenInTheEventLoop:
    async def test_an_upload(self, alice: Character, fox: Path) -> None:
        transport = httpx.ASGITransport(application, client=(HERE, 4711))
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as http:
            file = {"file": ("The merger.wav", fox.read_bytes())}
            answer = await http.post(
                "/api/v1/recordings", files=file, data={"prompt": "the secret merger"}, headers=alice.bearer
            )
        assert answer.status_code == 201
        entries = await in_thread(told)(alice)
        assert [action for action, _details in entries] == ["recording.created", "transcription.created"]
        assert entries[0][1] == {"source": "api", "bytes": fox.stat().st_size}
        assert "merger" not in json.dumps(entries)

    async def test_a_socket_that_tells_the_text(self, alice: Character) -> None:
        row = await in_thread(make_transcription)(alice.tenant, status=Status.RUNNING)
        socket = await socket_of(alice, f"/ws/transcriptions/{row.id}/")
        await socket.hear()
        await socket.hang_up()
        assert await in_thread(told)(alice) == [
            ("transcript.read", {"recording": str(row.recording_id), "by": "socket"})
        ]


def test_an_answer_of_openais_endpoint(stack: Stack, sdk: openai.OpenAI, fox: Path) -> None:
    with fox.open("rb") as file:
        sdk.audio.transcriptions.create(model="whisper-1", file=file, prompt="Once and only once.")
    with sqlite3.connect(f"file:{stack.data / 'portal.sqlite3'}?mode=ro", uri=True) as database:
        query = "select action, address, object_id from tenants_auditentry order by id desc limit 3"
        read, ordered, uploaded = database.execute(query).fetchall()
    assert (read[0], ordered[0], uploaded[0]) == ("transcript.read", "transcription.created", "recording.created")
    assert read[1:] == ordered[1:]
    assert read[1] == "127.0.0.1"


@pytest.mark.django_db
class TestWhatIsFound:
    def test_entries_are_paged_the_newest_first(self, alice: Character, client: Client) -> None:
        for number in range(3):
            audit.record(alice.actor, f"key.number_{'i' * (number + 1)}")
        admin = bearer(alice)
        first = client.get(f"{AUDIT}?limit=2", headers=admin).json()
        second = client.get(first["next"], headers=admin).json()
        actions = [entry["action"] for entry in first["results"] + second["results"]]
        assert actions == ["key.created", "key.number_iii", "key.number_ii", "key.number_i"]
        entry = second["results"][-1]
        assert entry["actor"] == {"kind": "member", "id": str(alice.user.pk), "name": "alice@acme.example"}

    def test_filters_narrow_them_down(self, alice: Character, bob: Character, client: Client) -> None:
        admin, now = bearer(alice), timezone.now()
        with time_machine.travel(now - timedelta(days=2), tick=False):
            audit.record(bob.actor, "transcript.read")
        audit.record(bob.actor, "transcript.exported")

        def found(query: str) -> list[str]:
            return [entry["action"] for entry in client.get(f"{AUDIT}?{query}", headers=admin).json()["results"]]

        assert found("actor=bob@acme.example") == ["transcript.exported", "transcript.read"]
        assert found("action=transcript.read") == ["transcript.read"]
        day = (now - timedelta(days=1)).isoformat()
        assert found(f"until={day}") == ["transcript.read"], "a plus sign need not be encoded"
        assert "transcript.read" not in found(f"since={day.replace('+00:00', 'Z')}")
        assert found("action=x%00") == []

    @pytest.mark.parametrize("query", ["since=yesterday", "until=2026-11-22", "since=0001-01-01T00:00:00%2B14:00"])
    def test_what_is_no_moment_is_named(self, query: str, alice: Character, client: Client) -> None:
        answer = client.get(f"{AUDIT}?{query}", headers=bearer(alice))
        assert (answer.status_code, answer.json()["param"]) == (400, query.split("=")[0])

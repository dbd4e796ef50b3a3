"""The audit log on its page, and as a table."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta
from html import unescape
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from channels.db import database_sync_to_async as in_thread
from django.db import connection
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal.web import audit as page
from tenants import audit, scope
from tenants.access import operator_actor
from tenants.models import AuditEntry, User
from tests.conftest import Character
from tests.portal.web.conftest import Make

SHEET = "/audit/audit.csv"


def read(client: Client, address: str = "/audit/") -> str:
    return unescape(client.get(address).content.decode())


def told(who: Character) -> list[str]:
    with scope.bound(who.tenant.id):
        return list(AuditEntry.objects.order_by("id").values_list("action", flat=True))


@pytest.mark.django_db
class TestWhatPagesWrite:
    def test_reading_and_downloading_a_transcript(self, as_bob: Client, alice: Character, make: Make) -> None:
        row = make(alice.tenant)
        as_bob.get(f"/recordings/{row.recording_id}/", REMOTE_ADDR="2001:db8::7")
        as_bob.get(f"/transcriptions/{row.id}/download.srt")
        as_bob.get(f"/recordings/{row.recording_id}/media")
        assert told(alice) == ["transcript.read", "transcript.exported"]
        with scope.bound(alice.tenant.id):
            entry = AuditEntry.objects.get(action="transcript.read")
        assert (entry.actor_name, entry.address) == ("bob@acme.example", "2001:db8::7")
        assert entry.details == {"recording": str(row.recording_id), "by": "page"}

    def test_deleting_and_bringing_back(self, as_alice: Client, alice: Character, make: Make) -> None:
        recording = make(alice.tenant).recording_id
        as_alice.post(f"/recordings/{recording}/delete/")
        as_alice.post(f"/recordings/{recording}/restore/")
        assert told(alice) == ["recording.deleted", "recording.restored"]

    def test_preferences_by_their_names_only(self, as_alice: Client, alice: Character) -> None:
        kept = {
            "default_mode": "auto",
            "short_clip_model": "",
            "hotwords": "",
            "speakers": "off",
            "bin_days": "30",
        }
        as_alice.post("/preferences/", kept)
        as_alice.post("/preferences/", kept | {"hotwords": "Project Falcon"})
        with scope.bound(alice.tenant.id):
            assert AuditEntry.objects.get(action="preferences.changed").details == {"fields": ["hotwords"]}


@pytest.mark.django_db
class TestPage:
    def test_says_who_did_what(self, as_alice: Client, alice: Character, bob: Character, make: Make) -> None:
        row = make(alice.tenant)
        with scope.bound(alice.tenant.id):
            audit.record(bob.actor, "transcript.read", row, by="page")
        text = read(as_alice)
        assert "bob@acme.example" in text
        assert "Transcript read" in text
        assert str(row.id) in text

    def test_names_what_the_reader_sees_and_hides_what_is_empty(
        self, as_alice: Client, alice: Character, make: Make
    ) -> None:
        row = make(alice.tenant, "Board meeting.mp3")
        with CaptureQueriesContext(connection) as before:
            read(as_alice)
        for _ in range(3):
            details: dict[str, Any] = {
                "label": "",
                "level": "view",
                "protected": False,
                "origins": [],
                "with_sound": True,
            }
            with scope.bound(alice.tenant.id):
                audit.record(alice.actor, "share.created", row, recording=str(row.recording_id), **details)
        with CaptureQueriesContext(connection) as after:
            text = read(as_alice)
        assert f'<a href="/recordings/{row.recording_id}/">Board meeting.mp3</a>' in text
        assert "level: view" in text
        assert all(f"{name}: " not in text for name in ("label", "recording", "with a password", "sites that embed it"))
        assert len(after) <= len(before) + 3
        assert (
            read(as_alice, f"/audit/?object=http://localhost/recordings/{row.id}/").count("Share link made</td>") == 3
        )
        assert "Share link made</td>" not in read(as_alice, f"/audit/?object={uuid4()}")

    def test_names_nothing_of_another_organisation(
        self, as_alice: Client, alice: Character, mallory: Character, make: Make
    ) -> None:
        hers = make(mallory.tenant, "Takeover.mp3")
        audit.record(alice.actor, "share.created", alice.tenant, recording=str(hers.recording_id), folder=str(uuid4()))
        text = read(as_alice)
        assert "Takeover" not in text
        assert str(hers.recording_id) in text

    def test_says_it_in_the_language_of_who_reads(self, as_alice: Client, alice: Character, make: Make) -> None:
        row = make(alice.tenant)
        as_alice.get(f"/recordings/{row.recording_id}/")
        as_alice.defaults["HTTP_ACCEPT_LANGUAGE"] = "zh-hans"
        text = read(as_alice)
        assert "转写<br>" in text
        assert "途径：页面" in text
        assert "by: page" not in text

    def test_filters(self, as_alice: Client, alice: Character, bob: Character) -> None:
        with time_machine.travel(timezone.now() - timedelta(days=3), tick=False):
            audit.record(bob.actor, "recording.deleted")
        audit.record(alice.actor, "key.created")
        today = timezone.now().date().isoformat()
        for query, shown, hidden in (
            ("action=key.created", "alice@", "bob@"),
            ("actor=bob@acme.example", "Recording deleted</td>", "API key created</td>"),
            (f"since={today}", "API key created</td>", "Recording deleted</td>"),
            (f"until={today}", "Recording deleted</td>", "No entries"),
        ):
            text = read(as_alice, f"/audit/?{query}")
            table = text[text.index('id="entries-title"') :]
            assert shown in table, query
            assert hidden not in table, query

    def test_older_entries_follow_without_a_gap(
        self, as_alice: Client, alice: Character, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(page, "ON_A_PAGE", 2)
        with time_machine.travel(timezone.now(), tick=False):
            for number in range(5):
                audit.record(alice.actor, "key.changed", name=f"number {number}")
        seen, address = list[str](), "/audit/?action=key.changed"
        while address:
            text = read(as_alice, address)
            seen += re.findall(r"number (\d)", text)
            found = re.search(r'rel="next" href="([^"]+)"', text)
            address = f"/audit/{found[1]}" if found else ""
        assert seen == ["4", "3", "2", "1", "0"]

    @pytest.mark.parametrize("place", ["x", "2026-11-22T00:00:00Z_", "2026-11-22_1", "9999-99-99T00:00:00Z_1"])
    def test_a_place_that_is_none(self, place: str, as_alice: Client) -> None:
        assert as_alice.get("/audit/", {"after": place}).status_code == 404

    def test_an_operator_has_no_name(self, as_alice: Client, alice: Character) -> None:
        olivia = User.objects.create_superuser("olivia@portal.example", "correct horse")
        audit.record(operator_actor(olivia, alice.tenant, "198.51.100.7"), "quota.changed")
        text = read(as_alice)
        assert "An operator" in text
        assert "olivia" not in text


async def sheet(who: Character, address: str = SHEET) -> list[dict[str, str]]:
    client = AsyncClient()
    await client.aforce_login(who.user)
    answer = await client.get(address)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    content = b"".join([piece async for piece in answer]).decode()  # type: ignore[attr-defined]
    assert content.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(content.removeprefix("\ufeff"))))


@pytest.mark.django_db(transaction=True)
class TestSheet:
    async def test_holds_what_the_filters_let_through(self, alice: Character, mallory: Character) -> None:
        actor = await in_thread(lambda: alice.actor)()
        await in_thread(audit.record)(actor, "key.created", name="x")
        await in_thread(audit.record)(actor, "key.revoked")
        rows = await sheet(alice, f"{SHEET}?action=key.created")
        assert [(row["action"], row["actor"], row["details"]) for row in rows] == [
            ("key.created", "alice@acme.example", '{"name": "x"}')
        ]
        assert [row["action"] for row in await sheet(mallory)] == ["audit.exported"]

    async def test_cells_are_no_formulas(self, alice: Character) -> None:
        evil = '=HYPERLINK("http://evil.example")'
        await in_thread(User.objects.filter(pk=alice.user.pk).update)(email=evil)
        actor = await in_thread(lambda: alice.actor)()
        await in_thread(audit.record)(actor, "key.created", name=evil)
        for row in await sheet(alice):
            assert [cell for cell in row.values() if cell[:1] in ("=", "+", "-", "@", "\t")] == []

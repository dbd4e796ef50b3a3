"""What is deleted lies in the bin until its time is over; what is on legal hold is deleted by nobody."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from tenants import api_keys, scope
from tenants.models import AuditEntry, KeyScope, Tenant
from tests.conftest import Character
from tests.portal.api.characters import bearer, send
from tests.portal.web.conftest import Make, signed_in
from transcription.folders import folders
from transcription.library import recordings, retention
from transcription.models import Recording, Transcription

pytestmark = pytest.mark.django_db


@pytest.fixture
def row(alice: Character, make: Make) -> Transcription:
    return make(alice.tenant)


@pytest.fixture
def as_mallory(mallory: Character) -> Client:
    return signed_in(Client(), mallory)


def change(model: type[Recording | Transcription], row_id: UUID, **fields: Any) -> None:
    with scope.across_tenants("a test"):
        assert model.objects.filter(id=row_id).update(**fields)


def is_there(recording_id: UUID) -> bool:
    with scope.across_tenants("a test"):
        return Recording.objects.filter(id=recording_id).exists()


def hold(client: Client, row: Transcription, **fields: Any) -> None:
    assert client.post(f"/recordings/{row.recording_id}/hold/", fields).status_code == 302


class TestBin:
    def test_what_is_deleted_is_brought_back_weeks_later(self, as_alice: Client, row: Transcription) -> None:
        as_alice.post(f"/recordings/{row.recording_id}/delete/")
        change(Recording, row.recording_id, deleted_at=timezone.now() - timedelta(days=29))
        assert recordings.purge_deleted() == 0
        page = as_alice.get("/bin/").content.decode()
        assert "Board meeting.mp3" in page
        assert "alice@acme.example" in page
        assert as_alice.post(f"/recordings/{row.recording_id}/restore/", {"from": "bin"}).headers["Location"] == "/bin/"
        assert as_alice.get(f"/recordings/{row.recording_id}/").status_code == 200
        assert "The bin is empty" in as_alice.get("/bin/").content.decode()

    def test_it_is_erased_when_its_days_are_over(self, as_alice: Client, row: Transcription) -> None:
        as_alice.post(f"/recordings/{row.recording_id}/delete/")
        change(Recording, row.recording_id, erase_at=timezone.now())
        assert as_alice.post(f"/recordings/{row.recording_id}/restore/").status_code == 404
        assert recordings.purge_deleted() == 1
        assert not is_there(row.recording_id)

    def test_an_organisation_decides_how_long(self, as_alice: Client, alice: Character, row: Transcription) -> None:
        Tenant.objects.filter(id=alice.tenant.id).update(bin_days=0)
        as_alice.post(f"/recordings/{row.recording_id}/delete/")
        with scope.bound(alice.tenant.id):
            row.recording.refresh_from_db()
        assert row.recording.deleted_at
        assert row.recording.erase_at == row.recording.deleted_at + timedelta(minutes=10)

    def test_one_and_all_are_erased_before(self, as_alice: Client, alice: Character, make: Make) -> None:
        first, second, third = (make(alice.tenant, name=f"{n}.mp3").recording_id for n in range(3))
        for one in (first, second):
            as_alice.post(f"/recordings/{one}/delete/")
        as_alice.post(f"/bin/{first}/erase/")
        assert not is_there(first)
        as_alice.post("/bin/")
        assert as_alice.post(f"/recordings/{second}/restore/").status_code == 404
        assert recordings.purge_deleted() == 1
        assert is_there(third)
        assert as_alice.post(f"/bin/{third}/erase/").status_code == 404, "it is not in the bin"

    def test_retention_goes_on_in_it(self, as_alice: Client, alice: Character, row: Transcription) -> None:
        Tenant.objects.filter(id=alice.tenant.id).update(text_retention_days=7)
        change(Transcription, row.id, finished_at=timezone.now() - timedelta(days=8))
        as_alice.post(f"/recordings/{row.recording_id}/delete/")
        assert retention.delete_old_text() == 1

    def test_strangers_see_and_do_nothing(
        self, as_alice: Client, as_mallory: Client, as_bob: Client, row: Transcription
    ) -> None:
        as_alice.post(f"/recordings/{row.recording_id}/delete/")
        assert "Board meeting" not in as_mallory.get("/bin/").content.decode()
        as_mallory.post("/bin/")
        assert as_mallory.post(f"/bin/{row.recording_id}/erase/").status_code == 404
        assert as_mallory.post(f"/recordings/{row.recording_id}/restore/").status_code == 404
        assert as_bob.get("/bin/").status_code == 403
        assert recordings.purge_deleted() == 0


class TestHold:
    def test_nobody_deletes_what_is_on_hold(
        self, as_alice: Client, alice: Character, row: Transcription, client: Client
    ) -> None:
        hold(as_alice, row, reason="Case 12/26 <b>")
        page = as_alice.get(f"/recordings/{row.recording_id}/").content.decode()
        assert "by alice@acme.example: nobody can delete it. Case 12/26 &lt;b&gt;" in page
        as_alice.post(f"/recordings/{row.recording_id}/delete/")
        answer = as_alice.post(
            "/recordings/many/", {"action": "delete", "ids": [str(row.recording_id)]}, content_type="application/json"
        )
        assert "legal hold" in answer.json()["failed"][0]["reason"]
        gone = client.delete(f"/api/v1/recordings/{row.recording_id}", headers=alice.bearer)
        assert (gone.status_code, gone.json()["code"]) == (409, "on_hold")
        with pytest.raises(CommandError, match="1 recording of Acme is on legal hold"):
            call_command("tenant", "delete", "Acme", "--confirm", "Acme", "--without-archive")
        assert as_alice.get(f"/recordings/{row.recording_id}/").status_code == 200

    def test_neither_does_retention_until_it_ends(self, as_alice: Client, alice: Character, row: Transcription) -> None:
        long_ago = timezone.now() - timedelta(days=90)
        Tenant.objects.filter(id=alice.tenant.id).update(audio_retention_days=1, text_retention_days=1)
        change(Recording, row.recording_id, created_at=long_ago)
        change(Transcription, row.id, finished_at=long_ago)
        hold(as_alice, row)
        assert (retention.delete_old_audio(), retention.delete_old_text(), retention.remove_empty()) == (0, 0, 0)
        hold(as_alice, row, release="1")
        assert (retention.delete_old_audio(), retention.delete_old_text(), retention.remove_empty()) == (1, 1, 1)
        with scope.bound(alice.tenant.id):
            told = set(AuditEntry.objects.values_list("action", flat=True))
        assert {"hold.placed", "hold.released"} <= told

    def test_who_holds_it_since_when_and_why_is_not_lost_by_asking_again(
        self, alice: Character, row: Transcription, client: Client
    ) -> None:
        _key, secret = api_keys.issue(alice.tenant, "Robot", alice.user, KeyScope.ADMIN)
        url, headers = f"/api/v1/recordings/{row.recording_id}/hold", {"Authorization": f"Bearer {secret}"}

        def put(body: dict[str, str]) -> Any:
            return client.put(url, body, content_type="application/json", headers=headers).json()

        first = put({"reason": "Case 12/26"})
        assert put({}) == first
        assert put({"reason": "Case 13/26"}) == first | {"reason": "Case 13/26"}
        with scope.bound(alice.tenant.id):
            told = AuditEntry.objects.filter(action__startswith="hold.").order_by("id")
            assert [one.action for one in told] == ["hold.placed", "hold.changed"]
            assert told[1].details == {"was": "Case 12/26"}

    def test_only_owners_and_admins_put_on_hold(self, as_bob: Client, as_mallory: Client, row: Transcription) -> None:
        assert as_bob.post(f"/recordings/{row.recording_id}/hold/").status_code == 403
        assert as_mallory.post(f"/recordings/{row.recording_id}/hold/").status_code == 404


def test_how_long_a_folder_keeps_is_asked_again_where_it_deletes_and_shown_with_the_recording(
    as_alice: Client, alice: Character, row: Transcription
) -> None:
    with scope.bound(alice.tenant.id):
        folder = folders.create(alice.actor, "Calls")
    change(Recording, row.recording_id, folder=folder, created_at=timezone.now() - timedelta(days=10))
    page = f"/folders/{folder.id}/retention/"
    asked = as_alice.post(page, {"audio_days": "9", "text_days": ""}).content.decode()
    assert "the audio of 1 recording" in asked
    assert as_alice.post(page, {"audio_days": "9", "text_days": "", "confirmed": "2-0"}).status_code == 200
    folder.refresh_from_db()
    assert folder.audio_retention_days is None
    assert as_alice.post(page, {"audio_days": "30", "text_days": "60"}).status_code == 302
    facts = as_alice.get(f"/recordings/{row.recording_id}/").content.decode()
    assert "Kept until" in facts
    assert all(days in facts for days in ("30 days", "60 days"))
    assert as_alice.post(page, {"audio_days": "9", "text_days": "", "confirmed": "1-0"}).status_code == 302
    with scope.bound(alice.tenant.id):
        entry = AuditEntry.objects.filter(action="folder.retention_changed").latest("id")
    assert entry.details == {"name": "Calls", "audio_days": 9, "text_days": None, "audio": 1, "texts": 0}
    assert retention.delete_old_audio() == 1
    assert "“Calls” keeps audio for 9 days" in as_alice.get(f"/recordings/{row.recording_id}/").content.decode()


def test_programs_use_the_bin_and_holds(alice: Character, row: Transcription, client: Client) -> None:
    path = f"/api/v1/recordings/{row.recording_id}"
    headers = bearer(alice, "admin")
    send(client, "PUT", f"{path}/hold", headers, {"reason": "Lawsuit"})
    assert client.get(f"{path}/hold", headers=headers).json()["reason"] == "Lawsuit"
    assert send(client, "PUT", f"{path}/bin", headers).status_code == 409
    assert send(client, "DELETE", f"{path}/hold", headers).status_code == 204
    binned = send(client, "PUT", f"{path}/bin", headers).json()
    assert client.get("/api/v1/bin", headers=headers).json()["results"] == [binned]
    assert client.get(path, headers=headers).status_code == 404
    assert send(client, "DELETE", f"{path}/bin", headers).json()["id"] == str(row.recording_id)
    assert client.get("/api/v1/bin", headers=headers).json()["results"] == []

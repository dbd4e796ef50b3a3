"""A recording gets another name."""

from __future__ import annotations

from html import unescape

import pytest
from django.test import Client

from tenants import scope
from tenants.models import AuditEntry
from tests.conftest import Character
from tests.portal.web.conftest import Make
from transcription import search
from transcription.exports import file_name_of
from transcription.folders import folders
from transcription.media.filenames import file_name
from transcription.models import Recording, Transcription


@pytest.fixture
def row(alice: Character, make: Make) -> Transcription:
    row = make(alice.tenant)
    with scope.bound(alice.tenant.id):
        Recording.objects.filter(id=row.recording_id).update(name="memo.mp3")
        search.index_recording(row.recording_id)
    return row


def told(alice: Character) -> list[dict[str, object]]:
    with scope.bound(alice.tenant.id):
        return list(
            AuditEntry.objects.filter(action="recording.renamed").order_by("id").values_list("details", flat=True)
        )


def test_a_recording_is_renamed_on_its_page_and_the_message_undoes_it(
    as_alice: Client, alice: Character, row: Transcription
) -> None:
    page = f"/recordings/{row.recording_id}/"
    assert f'data-rename-recording="{page}name/"' in as_alice.get(page).content.decode()
    assert f'data-rename-recording="{page}name/"' in as_alice.get(f"{page}menu/").content.decode()
    shown = as_alice.post(f"{page}name/", {"name": " Board \u202e<b>\n2026/27 "}, follow=True).content.decode()
    assert "<h1 data-name>Board &lt;b&gt; 2026-27</h1>" in shown
    assert 'name="name" value="memo.mp3"' in shown, "what undo sends"
    refused = unescape(as_alice.post(f"{page}name/", {"name": "\u200b"}, follow=True).content.decode())
    assert "from 1 to 255 characters" in refused
    as_alice.post(f"{page}name/", {"name": "memo.mp3", "from": "list"})
    new = {"was": "memo.mp3", "name": "Board <b> 2026-27"}
    assert told(alice) == [new, {"was": new["name"], "name": new["was"]}]


def test_a_file_that_is_downloaded_has_an_ending_whatever_its_recording_is_called(row: Transcription) -> None:
    for name, file in {"Board 30.11": "Board 30.11.txt", "Board.mp3": "Board.txt"}.items():
        row.recording.name = name
        assert file_name_of(row, "txt") == file
    assert file_name("Board 30.11", "mov,mp4,m4a,3gp,3g2,mj2") == "Board 30.11.mp4"
    assert (file_name("Board", "wav"), file_name("Board.MP3", "mp3")) == ("Board.wav", "Board.MP3")


def test_a_program_renames_and_search_knows_the_new_name_alone(
    client: Client, alice: Character, mallory: Character, row: Transcription
) -> None:
    address, new = f"/api/v1/recordings/{row.recording_id}", {"name": "Board meeting"}
    send = {"content_type": "application/json"}
    assert client.patch(address, new, **send, headers=mallory.bearer).status_code == 404  # type: ignore[arg-type]
    answer = client.patch(address, new, **send, headers=alice.bearer)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["name"]) == (200, "Board meeting")
    long = client.patch(address, {"name": "n" * 256}, **send, headers=alice.bearer)  # type: ignore[arg-type]
    assert (long.status_code, long.json()["param"]) == (400, "name")
    for words, count in (("board", 1), ("memo", 0)):
        found = client.get(f"/api/v1/recordings?search={words}", headers=alice.bearer).json()["results"]
        assert len(found) == count


def test_the_audit_log_does_not_name_what_is_in_a_private_folder(
    as_alice: Client, alice: Character, row: Transcription
) -> None:
    with scope.bound(alice.tenant.id):
        private = folders.private(alice.actor)
        Recording.objects.filter(id=row.recording_id).update(folder=private)
    as_alice.post(f"/recordings/{row.recording_id}/name/", {"name": "Dismissal"})
    assert told(alice) == [{}]

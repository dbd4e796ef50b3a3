"""The ledger, receipts and reused texts name no recording to who doesn't see it."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client

from tenants import scope
from tenants.models import Role, Tenant
from tests.conftest import Character, create_member
from tests.portal.api.characters import bearer
from tests.transcription.characters import submit
from tests.transcription.finishing import finish
from transcription.folders import folders
from transcription.library import recordings
from transcription.models import Recording, Transcription

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")]
NAME = "quick_brown_fox"


@pytest.fixture
def erin(acme: Tenant) -> Character:
    return create_member(acme, "erin@acme.example", Role.EDITOR)


@pytest.fixture
def charged(alice: Character, fox: Path) -> Transcription:
    """In a private folder of Alice's."""
    with scope.bound(alice.tenant.id):
        row = finish(submit(alice.actor, fox))
        Recording.objects.filter(id=row.recording_id).update(folder=folders.private(alice.actor))
    return row


def told(client: Client, who: Character) -> str:
    client.force_login(who.user)
    csv = b"".join(client.get("/usage/ledger.csv"))
    return client.get("/usage/").content.decode() + csv.decode()


def test_what_was_charged_is_told_and_its_name_to_who_sees_it(
    charged: Transcription, alice: Character, erin: Character, client: Client
) -> None:
    assert NAME in told(client, alice)
    hidden = told(client, erin)
    assert NAME not in hidden
    assert str(charged.id) not in hidden
    assert "Not shown to you" in hidden
    with scope.bound(alice.tenant.id):
        Recording.objects.filter(id=charged.recording_id).update(folder=None)
    assert NAME in told(client, erin)
    with scope.bound(alice.tenant.id):
        recordings.erase(alice.actor, charged.recording_id)
    assert NAME not in told(client, erin), "nobody knows who saw it"
    assert NAME in told(client, alice)


def test_programs_neither_read_names_nor_receipts_of_private_folders(
    charged: Transcription, alice: Character, client: Client
) -> None:
    [entry] = client.get("/api/v1/ledger", headers=bearer(alice)).json()["results"]
    assert (entry["transcription"], entry["description"]) == (None, "")
    address = f"/api/v1/recordings/{charged.recording_id}/receipt"
    assert client.get(address, headers=bearer(alice)).status_code == 404
    with scope.bound(alice.tenant.id):
        recordings.erase(alice.actor, charged.recording_id)
    assert client.get(address, headers=bearer(alice)).status_code == 404


def test_a_source_in_another_folder_is_not_named(charged: Transcription, alice: Character, client: Client) -> None:
    with scope.bound(alice.tenant.id):
        copy = Recording.objects.get(id=charged.recording_id)
        copy.pk, copy.folder = None, None
        copy.id = Recording._meta.pk.get_default()
        copy.save()
        row = Transcription.objects.create(
            tenant=alice.tenant, recording=copy, model="base", status="completed", reused_from=charged, is_reused=True
        )
    body = client.get(f"/api/v1/transcriptions/{row.id}", headers=bearer(alice)).json()
    assert (body["reused"], body["reused_from"]) == (True, None)

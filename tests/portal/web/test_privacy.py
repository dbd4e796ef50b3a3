"""What is private is in no cache, and browsers are told what pages may use."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.conftest import Character
from tests.portal.web.conftest import Make
from transcription.media import storage
from transcription.models import Status

pytestmark = pytest.mark.django_db


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
def test_no_cache_keeps_a_page_or_a_sound(as_alice: Client, alice: Character, make: Make) -> None:
    row = make(alice.tenant, status=Status.COMPLETED)
    path = storage.local_path(row.recording.storage_key)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"sound")
    sound = f"/recordings/{row.recording_id}/media"
    pages = ("/", "/recordings/", f"/recordings/{row.recording_id}/", "/keys/", "/usage/", "/audit/", "/nowhere/")
    files = (f"/transcriptions/{row.id}/download.txt", f"/transcriptions/{row.id}/download.docx", "/audit/audit.csv")
    for address in (*pages, *files, sound, f"{sound}?download", "/accounts/logout/"):
        answer = as_alice.get(address)
        assert "no-store" in answer["Cache-Control"], address
    part = as_alice.get(sound, headers={"Range": "bytes=1-2"})
    assert (part.status_code, "no-store" in part["Cache-Control"]) == (206, True)


def test_no_shared_cache_keeps_an_answer_of_the_api(client: Client, alice: Character, make: Make) -> None:
    row = make(alice.tenant)
    for address in ("/api/v1/recordings", f"/api/v1/recordings/{row.recording_id}", "/api/v1/usage"):
        kept = client.get(address, headers=alice.bearer)["Cache-Control"]
        assert "private" in kept
        assert "no-store" in kept or "no-cache" in kept, address


def test_pages_may_use_the_microphone_and_passkeys_and_nothing_else(client: Client, as_alice: Client) -> None:
    for answer in (as_alice.get("/recordings/"), client.get("/accounts/login/")):
        policy = answer["Permissions-Policy"].split(", ")
        assert "microphone=(self)" in policy
        assert {"camera=()", "geolocation=()", "display-capture=()", "usb=()"} <= set(policy)
        assert [one for one in policy if not one.endswith("=()")] == [
            "microphone=(self)",
            "publickey-credentials-get=(self)",
        ]

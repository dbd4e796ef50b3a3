"""Who has read something is not sent it again."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.conftest import Character
from tests.portal.web.conftest import make_transcription

pytestmark = pytest.mark.django_db


def test_what_has_not_changed_is_not_sent_again(alice: Character, client: Client) -> None:
    row = make_transcription(alice.tenant)
    path = f"/api/v1/recordings/{row.recording_id}"
    first = client.get(path, headers=alice.bearer)
    again = client.get(path, headers=alice.bearer | {"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    assert "RateLimit-Limit" in again


def test_what_has_changed_is(alice: Character, client: Client) -> None:
    make_transcription(alice.tenant)
    first = client.get("/api/v1/recordings", headers=alice.bearer)
    make_transcription(alice.tenant, name="Another one.mp3")
    again = client.get("/api/v1/recordings", headers=alice.bearer | {"If-None-Match": first["ETag"]})
    assert again.status_code == 200
    assert again["ETag"] != first["ETag"]


def test_transcripts_and_segments_have_tags_too(alice: Character, client: Client) -> None:
    row = make_transcription(alice.tenant)
    for path in ("transcript.srt", "segments", "segments/0"):
        address = f"/api/v1/transcriptions/{row.id}/{path}"
        tag = client.get(address, headers=alice.bearer)["ETag"]
        assert client.get(address, headers=alice.bearer | {"If-None-Match": tag}).status_code == 304


def test_a_stranger_with_the_tag_learns_nothing(alice: Character, mallory: Character, client: Client) -> None:
    row = make_transcription(alice.tenant)
    path = f"/api/v1/recordings/{row.recording_id}"
    tag = client.get(path, headers=alice.bearer)["ETag"]
    assert client.get(path, headers=mallory.bearer | {"If-None-Match": tag}).status_code == 404

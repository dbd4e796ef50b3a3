"""`Accept`: what a route answers with is acceptable, and no header asks for nothing else."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.conftest import Character
from tests.portal.api.characters import bearer
from tests.portal.web.conftest import make_transcription

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("extension", "accepted"),
    [
        ("txt", "text/plain"),
        ("srt", "application/x-subrip"),
        ("vtt", "text/vtt;q=0.9, image/png"),
        ("docx", "application/octet-stream"),
        ("json", "application/json"),
    ],
)
def test_a_file_is_acceptable_as_what_it_is(extension: str, accepted: str, alice: Character, client: Client) -> None:
    address = f"/api/v1/transcriptions/{make_transcription(alice.tenant).id}/transcript.{extension}"
    assert client.get(address, headers=bearer(alice) | {"Accept": accepted}).status_code == 200


@pytest.mark.parametrize(
    ("accepted", "status"), [("", 200), ("application/problem+json", 200), ("text/plain", 406), ("image/png", 406)]
)
def test_what_is_answered_with_json_is_acceptable_as_json_alone(
    accepted: str, status: int, alice: Character, client: Client
) -> None:
    assert client.get("/api/v1/recordings", headers=bearer(alice) | {"Accept": accepted}).status_code == status

"""No answer shows a transcript's words without an entry in the audit log: every route and page is tried."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tenants import scope
from tenants.models import AuditEntry, Role
from tests.conftest import Character, create_member
from tests.portal.api.characters import bearer, send
from tests.portal.api.test_scopes import AGREED, TABLE, address_of
from tests.portal.web import test_permissions as pages
from tests.portal.web.conftest import make_transcription
from transcription import search
from transcription.models import Segment, Transcription
from transcription.transcripts import editing

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")]
CANARY = "zirconium"
API = "/api/v1"
SHOWS = {
    f"GET {API}/recordings/{{recording}}/transcript.txt": "transcript.exported",
    f"GET {API}/transcriptions/{{transcription}}/transcript.txt": "transcript.exported",
    f"GET {API}/transcriptions/{{transcription}}/segments": "transcript.read",
    f"GET {API}/transcriptions/{{transcription}}/segments/0": "transcript.read",
    f"GET {API}/transcriptions/{{transcription}}/segments/hits?find=o": "transcript.read",
    f"POST {API}/transcriptions/{{transcription}}/segments/shift": "transcript.corrected",
    f"POST {API}/transcriptions/{{transcription}}/segments/0/split": "transcript.corrected",
    f"POST {API}/transcriptions/{{transcription}}/segments/0/merge": "transcript.corrected",
    f"GET {API}/transcriptions/{{transcription}}/proofreading": "transcript.read",
    f"POST {API}/transcriptions/{{transcription}}/segments/0/check": "transcript.checked",
    f"DELETE {API}/transcriptions/{{transcription}}/segments/0/check": "transcript.checked",
    f"POST {API}/transcriptions/{{transcription}}/rehearings": "transcript.read",
    f"GET {API}/transcriptions/{{transcription}}/rehearings/{{rehearing}}": "transcript.read",
    f"POST {API}/transcriptions/{{transcription}}/rehearings/{{rehearing}}/take": "transcript.corrected",
    f"GET {API}/transcriptions/{{transcription}}/revisions": "transcript.read",
    f"POST {API}/transcriptions/{{transcription}}/revert": "transcript.corrected",
    f"GET {API}/search?q=hello": "transcript.searched",
    f"GET {API}/substitutions/hits?find=o": "transcript.searched",
    "GET /recordings/{recording}/": "transcript.read",
    "GET /transcriptions/{transcription}/download.srt": "transcript.exported",
    "GET /transcriptions/{transcription}/segments/0/": "transcript.read",
    "GET /transcriptions/{transcription}/lines/": "transcript.read",
    "GET /transcriptions/{transcription}/cues/": "transcript.read",
    "GET /transcriptions/{transcription}/history/": "transcript.read",
    "GET /transcriptions/{transcription}/walk/": "transcript.read",
    "GET /transcriptions/{transcription}/rehearings/{rehearing}/": "transcript.read",
    "POST /transcriptions/{transcription}/rehearings/{rehearing}/": "transcript.read",
}
# Shown by other ways: sockets and OpenAI's endpoints, test_audit.py; sound, tests/portal/web/test_sound.py.
ROUTES = [line[:3] for line in TABLE]
PAGES = [line[:2] for line in pages.TABLE]


@pytest.fixture
def row(alice: Character) -> Transcription:
    """Alice's, corrected once, with the canary in each segment as it is and as it was."""
    made = make_transcription(alice.tenant)
    with scope.bound(alice.tenant.id):
        Segment.objects.filter(transcription=made).update(text=f" Hello {CANARY}.")
        editing.edit(alice.actor, made.id, 0, {"*"}, f"Hello {CANARY}, hello.")
        search.index_recording(made.recording_id)
    return made


def told(row: Transcription) -> list[str]:
    with scope.bound(row.tenant_id):
        return list(AuditEntry.objects.order_by("id").values_list("action", flat=True))


def check(route: str, answer: Any, new: list[str]) -> None:
    shows = CANARY in b"".join(answer).decode(errors="replace")
    assert shows == (route in SHOWS), "the table says whether this shows text"
    if shows:
        assert SHOWS[route] in new


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
def test_of_the_api(method: str, path: str, body: Any, row: Transcription, alice: Character, client: Client) -> None:
    headers, address = bearer(alice) | AGREED, address_of(path, row, alice)
    before = len(told(row))
    answer = send(client, method, address, headers, body)
    check(f"{method} {path}", answer, told(row)[before:])


@pytest.mark.parametrize(("method", "url"), PAGES)
def test_of_the_portal(method: str, url: str, row: Transcription, client: Client) -> None:
    client.force_login(create_member(row.tenant, "somebody@acme.example", Role.OWNER).user)
    address = pages.address_of(url, row)
    before = len(told(row))
    answer = client.generic(method, address)
    check(f"{method} {url}", answer, told(row)[before:])


def test_every_line_is_of_a_route() -> None:
    assert set(SHOWS) <= {f"{line[0]} {line[1]}" for line in (*ROUTES, *PAGES)}


@pytest.mark.parametrize(("method", "path", "body"), [("PATCH", "segments/0", {}), ("POST", "revert", {"revision": 1})])
def test_a_correction_that_changes_nothing_is_reading(
    method: str, path: str, body: Any, row: Transcription, alice: Character, client: Client
) -> None:
    headers = bearer(alice, "write") | AGREED
    before = len(told(row))
    answer = send(client, method, f"{API}/transcriptions/{row.id}/{path}", headers, body)
    assert CANARY in answer.content.decode()
    assert told(row)[before:] == ["transcript.read"]


def test_a_conflict_on_the_page_that_shows_what_stands_there(row: Transcription, client: Client) -> None:
    client.force_login(create_member(row.tenant, "somebody@acme.example", Role.EDITOR).user)
    before = len(told(row))
    late = client.post(f"/transcriptions/{row.id}/segments/0/", {"text": "Mine.", "etag": "0.0"}, "application/json")
    assert (late.status_code, CANARY in late.content.decode()) == (412, True)
    assert told(row)[before:] == ["transcript.read"]

"""What is struck out, for programs and on the pages: who reads it still, and who doesn't."""

from __future__ import annotations

import json
import re

import pytest
from django.test import Client

from portal.consumers import snapshot_of
from tenants import scope
from tenants.models import AuditEntry, KeyScope
from tests.conftest import Character
from tests.portal.api.characters import bearer, send
from tests.portal.web.conftest import make_rehearing, make_transcription, signed_in
from transcription.models import Recording, Segment, Status, Transcription
from transcription.strikes import MASK

pytestmark = pytest.mark.django_db
ANY = {"If-Match": "*"}
SPOKEN = re.compile("mou?rning")


@pytest.fixture
def row(alice: Character) -> Transcription:
    row = make_transcription(alice.tenant, text="Good morning. There are <b>two</b> risks.", word_timestamps=True)
    words = [{"word": " Good", "start": 0.0, "end": 1.0}, {"word": " morning.", "start": 1.0, "end": 3.5}]
    with scope.bound(alice.tenant.id):
        Segment.objects.filter(transcription=row, index=0).update(words=words)
        heard = make_rehearing(row)
        fields = {"start": 0.0, "end": 3.5, "text": " Good mourning.", "words": words}
        Segment.objects.create(tenant=alice.tenant, transcription=heard, index=0, **fields)
    return row


def test_a_struck_word_is_in_no_answer_but_to_who_may_correct_and_asks(
    client: Client, alice: Character, bob: Character, mallory: Character, row: Transcription
) -> None:
    writer, reader, address = bearer(alice), bearer(alice, KeyScope.READ), f"/api/v1/transcriptions/{row.id}"
    send(client, "PATCH", f"{address}/segments/0", writer | ANY, {"text": "Good morning all."})
    send(client, "PATCH", f"{address}/segments/0", writer | ANY, {"text": "Good morning."})
    refused = send(client, "POST", f"{address}/strikes", reader | ANY, {"first": 0})
    assert refused.status_code == 403
    assert send(client, "POST", f"{address}/strikes", bearer(mallory) | ANY, {"first": 0}).status_code == 404
    assert send(client, "POST", f"{address}/strikes", writer, {"first": 0}).status_code == 428
    struck = send(client, "POST", f"{address}/strikes", writer | ANY, {"first": 0, "position": 6, "until": 9})
    assert struck.json()["results"] == [{"start": 1.0, "end": 3.5, "first": 0, "last": 0}]

    with scope.bound(alice.tenant.id):
        rehearing = Transcription.objects.get(rehears=row)
        assert MASK in str(snapshot_of(Transcription.objects.get(pk=row.pk)))
    asked = [
        f"{address}/transcript.json",
        f"/api/v1/recordings/{row.recording_id}/transcript.txt",
        f"{address}/segments",
        f"{address}/segments/0",
        f"{address}/segments/hits?find=o",
        f"{address}/proofreading",
        f"{address}/revisions",
        f"{address}/rehearings/{rehearing.id}",
        "/api/v1/substitutions/hits?find=o",
        "/api/v1/search?q=good",
    ]
    for one in asked:
        for key in (writer, reader):
            answer = send(client, "GET", one, key)
            assert answer.status_code == 200, one
            assert not SPOKEN.search(answer.content.decode()), one
        if "search" not in one and "proofreading" not in one:  # what is typed is checked
            joint = "&" if "?" in one else "?"
            assert SPOKEN.search(send(client, "GET", f"{one}{joint}redacted=false", writer).content.decode()), one
            assert send(client, "GET", f"{one}{joint}redacted=false", reader).status_code == 403, one
    assert send(client, "GET", "/api/v1/search?q=morning", writer).json()["results"] == []

    pages = [
        f"/recordings/{row.recording_id}/",
        f"/transcriptions/{row.id}/lines/",
        f"/transcriptions/{row.id}/lines/?outline",
        f"/transcriptions/{row.id}/lines/?at=0",
        f"/transcriptions/{row.id}/segments/0/",
        f"/transcriptions/{row.id}/history/",
        f"/transcriptions/{row.id}/download.srt",
    ]
    his, hers = signed_in(Client(), bob), signed_in(Client(), alice)
    for page in pages:
        assert not SPOKEN.search(his.get(page).content.decode()), page
    assert his.get(f"{pages[-1]}?redacted=false").status_code == 403
    outline = hers.get(f"/transcriptions/{row.id}/lines/?outline").json()
    assert outline["rows"][0][4]["struck"] == 1
    assert not SPOKEN.search(outline["rows"][0][4]["readable"])
    shown = hers.get(pages[0]).content.decode()
    assert '<s class="struck">morning.</s>' in shown
    assert not SPOKEN.search(hers.get(pages[-1]).content.decode())
    assert "morning" in hers.get(f"{pages[-1]}?redacted=false").content.decode()
    with scope.bound(alice.tenant.id):
        noted = AuditEntry.objects.get(action="transcript.struck")
    assert noted.details["seconds"] == ["1.000-3.500"]


@pytest.mark.parametrize("status", [Status.QUEUED, Status.RUNNING])
def test_what_is_struck_nobody_reads_while_the_recording_is_transcribed_again(
    client: Client, alice: Character, bob: Character, row: Transcription, status: str
) -> None:
    send(client, "POST", f"/api/v1/transcriptions/{row.id}/strikes", bearer(alice) | ANY, {"start": 1.5, "end": 2.0})
    again = make_again(row, status)
    for who in (bob, alice):
        shown = signed_in(Client(), who).get(f"/recordings/{row.recording_id}/").content.decode()
        assert f">{MASK}<" in shown
        assert not SPOKEN.search(shown)
    with scope.bound(alice.tenant.id):
        assert not SPOKEN.search(str(snapshot_of(again)))


def test_what_is_redacted_is_not_written_back_and_undoing_gives_it_back(
    client: Client, alice: Character, row: Transcription
) -> None:
    key, address = bearer(alice) | ANY, f"/api/v1/transcriptions/{row.id}"
    send(client, "POST", f"{address}/strikes", key, {"start": 1.5, "end": 2.0})
    shown = send(client, "GET", f"{address}/segments", key).json()["segments"]
    assert shown[0]["text"] == f"Good {MASK}"
    refused = send(client, "PUT", f"{address}/segments", key, {"segments": shown})
    assert refused.status_code == 400
    assert "redacted=false" in refused.content.decode()

    again = make_again(row)
    assert MASK in send(client, "GET", f"/api/v1/transcriptions/{again.id}/transcript.txt", key).content.decode()
    send(client, "POST", f"{address}/revert", key, {"revision": 0})
    assert MASK in send(client, "GET", f"{address}/transcript.txt", key).content.decode()
    send(client, "POST", f"{address}/strikes", key, {"first": 0, "struck": False})
    assert send(client, "GET", f"{address}/strikes", key).json()["results"] == []
    hers = signed_in(client, alice)
    body = json.dumps({"revision": 1, "etag": "2"})
    undone = hers.post(f"/transcriptions/{row.id}/revert/", body, content_type="application/json")
    assert undone.json()["first"] == 0
    assert MASK in send(client, "GET", f"{address}/transcript.txt", key).content.decode()
    with scope.bound(alice.tenant.id):
        assert Recording.objects.get(pk=row.recording_id).struck == [[1.5, 2.0]]


def make_again(row: Transcription, status: str = Status.COMPLETED) -> Transcription:
    """Another transcription of the same recording, whose words were not timed."""
    with scope.bound(row.tenant_id):
        again = make_transcription(row.tenant, status=status)
        Transcription.objects.filter(pk=again.pk).update(recording=row.recording)
        return Transcription.objects.get(pk=again.pk)

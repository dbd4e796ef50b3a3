"""The speakers on a transcript's page."""

from __future__ import annotations

from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tenants import scope
from tenants.models import Tenant
from tests.conftest import Character
from tests.portal.web.conftest import Make
from transcription.models import Segment, Speaker, Transcription

HOSTILE = '"><script>alert(1)</script>'


@pytest.fixture
def row(acme: Tenant, make: Make) -> Transcription:
    row = make(acme, text="Good morning. There are <b>two</b> risks.", speakers="auto")
    with scope.bound(acme.id):
        for index in (0, 1):
            Segment.objects.filter(transcription=row, index=index).update(speaker=index, overlap=index == 1)
        Speaker.objects.bulk_create(Speaker.numbered(row, index) for index in (0, 1))
    return row


def page(client: Client, row: Transcription) -> str:
    return unescape(client.get(f"/recordings/{row.recording_id}/").content.decode())


def change(client: Client, row: Transcription, etag: str = "0", **body: Any) -> Any:
    return client.post(f"/transcriptions/{row.id}/speakers/", body | {"etag": etag}, "application/json")


def test_each_line_says_whose_it_is_and_the_list_how_long_each_speaks(as_alice: Client, row: Transcription) -> None:
    shown = page(as_alice, row)
    assert shown.count('data-speaker="0"') == shown.count('data-speaker="1"') == 1
    assert shown.count("Speaker 1") > 2
    assert "0:03 · 50 %" in shown
    assert shown.count("segment__overlap") == 1
    assert "<dd>2 found</dd>" in shown, "among the details"


def test_a_transcript_without_speakers_shows_nothing_of_them(as_alice: Client, acme: Tenant, make: Make) -> None:
    shown = page(as_alice, make(acme))
    assert "data-speakers" not in shown
    assert "segment__voice" not in shown


def test_a_name_is_saved_and_undone_like_a_correction(as_alice: Client, row: Transcription) -> None:
    saved = change(as_alice, row, do="rename", speaker=1, name=HOSTILE).json()
    assert (saved["etag"], saved["speakers"]["1"]["label"]) == ("1", HOSTILE)
    assert "<script>" not in saved["list"]
    assert "<script>alert" not in as_alice.get(f"/recordings/{row.recording_id}/").content.decode()
    undone = as_alice.post(f"/transcriptions/{row.id}/revert/", {"revision": 0, "etag": "1"}, "application/json")
    assert undone.json()["revision"] == 2
    assert as_alice.get(f"/transcriptions/{row.id}/speakers/").json()["speakers"]["1"]["label"] == "Speaker 2"
    history = unescape(as_alice.get(f"/transcriptions/{row.id}/history/").content.decode())
    assert HOSTILE in history
    assert "Speaker renamed" in history


def test_lines_are_merged_and_given_to_others(as_alice: Client, row: Transcription) -> None:
    assert change(as_alice, row, do="merge", speaker=1, into=0).json()["segments"] == [0, 0]
    assert change(as_alice, row, "1", do="assign", first=1, last=1, into="new").json()["segments"] == [0, 2]
    assert change(as_alice, row, "2", do="assign", first=0, last=1, into="").json()["segments"] == [None, None]
    assert "No speakers are known." in page(as_alice, row)


def test_who_changes_what_somebody_else_has_changed_sees_it_first(as_alice: Client, row: Transcription) -> None:
    change(as_alice, row, do="rename", speaker=0, name="Ann")
    late = change(as_alice, row, do="rename", speaker=0, name="Bert")
    assert (late.status_code, late.json()["now"]["speakers"]["0"]["label"]) == (412, "Ann")
    assert "Somebody else" in late.json()["error"]["message"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"do": "rename", "speaker": "0", "name": "Ann"}, 400),
        ({"do": "rename", "speaker": 0, "name": 5}, 400),
        ({"do": "rename", "speaker": 9, "name": "Ann"}, 404),
        ({"do": "merge", "speaker": 0, "into": 9}, 400),
        ({"do": "assign", "first": 0, "last": 2**40, "into": 0}, 400),
        ({"do": "assign", "first": 0, "last": 5, "into": 0}, 404),
        ({"do": "assign", "first": 0, "last": 0, "into": None}, 400),
    ],
)
def test_nonsense_is_refused(body: dict[str, Any], status: int, as_alice: Client, row: Transcription) -> None:
    assert change(as_alice, row, **body).status_code == status


def test_bob_sees_speakers_but_changes_none(as_bob: Client, row: Transcription) -> None:
    shown = page(as_bob, row)
    assert "data-turn" in shown
    assert "data-only" in shown
    assert not {"data-rename", "data-whose"} & set(shown.replace(">", " ").split())
    assert change(as_bob, row, do="rename", speaker=0, name="Bob").status_code == 403
    assert as_bob.get(f"/transcriptions/{row.id}/speakers/").json()["etag"] == "0"


def test_mallory_finds_nothing(client: Client, mallory: Character, row: Transcription) -> None:
    client.force_login(mallory.user)
    assert change(client, row, do="rename", speaker=0, name="Mallory").status_code == 404
    assert client.get(f"/transcriptions/{row.id}/speakers/").status_code == 404


def test_the_page_s_queries_do_not_grow_with_speakers(as_alice: Client, row: Transcription) -> None:
    counts = []
    for more in (0, 20):
        with scope.bound(row.tenant_id):
            Speaker.objects.bulk_create(Speaker.numbered(row, 2 + number) for number in range(more))
            Segment.objects.bulk_create(
                Segment(tenant_id=row.tenant_id, transcription=row, index=9 + n, start=n, end=n + 1, speaker=2 + n)
                for n in range(more)
            )
        with CaptureQueriesContext(connection) as queries:
            assert as_alice.get(f"/recordings/{row.recording_id}/").status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_the_forms_offer_speakers_and_keep_another_range(as_alice: Client, row: Transcription) -> None:
    assert '<option value="2-4">2 to 4</option>' in as_alice.get("/recordings/").content.decode()
    with scope.bound(row.tenant_id):
        Transcription.objects.filter(id=row.id).update(speakers="7-9")
    assert '<option value="7-9" selected>7-9</option>' in page(as_alice, row)

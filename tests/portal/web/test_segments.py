"""Correcting a segment on the page of its transcript."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tenants import scope
from tenants.models import Tenant
from tests.portal.web.conftest import Make
from transcription.models import Segment, Transcription


@pytest.fixture
def row(acme: Tenant, make: Make) -> Transcription:
    return make(acme, text="Good morning. There are <b>two</b> risks.")


def save(client: Client, row: Transcription, text: str, etag: str, index: int = 0) -> Any:
    address = f"/transcriptions/{row.id}/segments/{index}/"
    return client.post(address, {"text": text, "etag": etag}, "application/json")


def texts(row: Transcription) -> list[str]:
    with scope.bound(row.tenant_id):
        return [segment.text.strip() for segment in Segment.objects.filter(transcription=row)]


def test_a_correction_is_saved_and_can_be_undone(as_alice: Client, row: Transcription) -> None:
    saved = save(as_alice, row, " Good  evening. ", "0.0").json()
    assert (saved["text"], saved["etag"], saved["revision"]) == ("Good evening.", "0.1", 1)
    assert texts(row)[0] == "Good evening."
    undone = as_alice.post(f"/transcriptions/{row.id}/revert/", {"revision": 0, "etag": "1"}, "application/json")
    change = undone.json()
    assert (change["revision"], change["first"], change["removed"], change["added"]) == (2, 0, 1, 1)
    assert "Good morning." in change["lines"]
    again = as_alice.get(f"/transcriptions/{row.id}/segments/0/").json()
    assert (again["text"], again["etag"]) == ("Good morning.", "0.2")


def test_a_conflict_shows_what_stands_there_now(as_alice: Client, row: Transcription) -> None:
    save(as_alice, row, "Carol's.", "0.0")
    late = save(as_alice, row, "Alice's.", "0.0")
    assert (late.status_code, late.json()["now"]["text"]) == (412, "Carol's.")
    assert late.json()["error"]["message"]
    assert texts(row)[0] == "Carol's."
    assert save(as_alice, row, "Alice's.", late.json()["now"]["etag"]).status_code == 200


def test_an_undo_that_would_undo_somebody_elses_change_is_refused(as_alice: Client, row: Transcription) -> None:
    save(as_alice, row, "Mine.", "0.0")
    save(as_alice, row, "Carol's.", "1.0", index=1)
    late = as_alice.post(f"/transcriptions/{row.id}/revert/", {"revision": 0, "etag": "1"}, "application/json")
    assert late.status_code == 412
    assert texts(row) == ["Mine.", "Carol's."]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"text": 5}', b'{"text": " "}'])
def test_nonsense_is_refused(body: bytes, as_alice: Client, row: Transcription) -> None:
    answer = as_alice.generic("POST", f"/transcriptions/{row.id}/segments/0/", body, "application/json")
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


def test_every_correction_can_be_undone_from_the_menu(as_alice: Client, row: Transcription) -> None:
    page = as_alice.get(f"/recordings/{row.recording_id}/").content.decode()
    assert "Undo every correction" not in page, "there is none"
    save(as_alice, row, "Good evening.", "0.0")
    save(as_alice, row, "No risks.", "1.0", index=1)
    page = as_alice.get(f"/recordings/{row.recording_id}/").content.decode()
    assert 'name="etag" value="2"' in page
    answer = as_alice.post(f"/transcriptions/{row.id}/revert/", {"revision": "0", "etag": "2"}, follow=True)
    assert "as it was transcribed again" in answer.content.decode()
    assert texts(row) == ["Good morning.", "There are <b>two</b> risks."]


def test_a_viewer_is_not_offered_what_a_viewer_may_not_do(as_bob: Client, as_alice: Client, row: Transcription) -> None:
    address = f"/recordings/{row.recording_id}/"
    assert "data-edit" in as_alice.get(address).content.decode()
    assert "data-edit" not in as_bob.get(address).content.decode()
    assert save(as_bob, row, "Bob's.", "0.0").status_code == 403


def test_the_menu_downloads_documents_and_subtitles_with_line_lengths(as_alice: Client, row: Transcription) -> None:
    page = as_alice.get(f"/recordings/{row.recording_id}/").content.decode()
    assert f"/transcriptions/{row.id}/download.docx" in page
    assert 'name="max_line_length"' in page
    short = as_alice.get(f"/transcriptions/{row.id}/download.srt", {"max_line_length": "10", "max_lines": "1"})
    assert max(len(line) for line in short.content.decode().splitlines() if "-->" not in line) <= 10
    bad = as_alice.get(f"/transcriptions/{row.id}/download.srt", {"max_lines": "0"})
    assert (bad.status_code, bad["Content-Type"]) == (400, "text/plain; charset=utf-8")


def test_the_list_finds_texts(as_alice: Client, row: Transcription) -> None:
    from transcription import search

    with scope.bound(row.tenant_id):
        search.index_recording(row.recording_id)
    assert "Board meeting" in as_alice.get("/recordings/rows/?search=risks").content.decode()
    assert "Board meeting" not in as_alice.get("/recordings/rows/?search=foxes").content.decode()


def test_the_page_says_what_speaks_against_a_segment(as_alice: Client, row: Transcription) -> None:
    with scope.bound(row.tenant_id):
        Segment.objects.filter(transcription=row, index=1).update(no_speech_prob=0.8)
    page = as_alice.get(f"/recordings/{row.recording_id}/").content.decode()
    assert page.count("segment__doubt") == page.count("Perhaps nobody speaks here.") == 1
    assert save(as_alice, row, "There are two risks.", "1.0", index=1).status_code == 200
    assert "segment__doubt" not in as_alice.get(f"/recordings/{row.recording_id}/").content.decode()


def words_of(text: str, **probabilities: float) -> list[dict[str, Any]]:
    return [
        {"word": f" {word}", "start": 4.0 + at, "end": 5.0 + at, "probability": probabilities.get(word, 0.9)}
        for at, word in enumerate(text.split())
    ]


def test_words_that_the_model_is_unsure_of_are_marked(as_alice: Client, row: Transcription) -> None:
    with scope.bound(row.tenant_id):
        words = words_of("There are <b>two</b> risks.", **{"<b>two</b>": 0.314, "risks.": 0.2})
        Segment.objects.filter(transcription=row, index=1).update(words=words)
    page = as_alice.get(f"/recordings/{row.recording_id}/").content.decode()
    assert (
        'There are <mark class="unsure" title="The model is unsure of this word: 31 %">&lt;b&gt;two&lt;/b&gt;</mark> '
        in page
    )
    assert "Unsure words: &lt;b&gt;two&lt;/b&gt;, risks<" in page
    assert "words that the model is unsure of" in page, "the legend"
    assert save(as_alice, row, "There are three risks.", "1.0", index=1).status_code == 200
    assert 'class="unsure"' not in as_alice.get(f"/recordings/{row.recording_id}/").content.decode()


def test_speech_without_text_stands_between_the_segments_and_counts(as_alice: Client, row: Transcription) -> None:
    address = f"/recordings/{row.recording_id}/"
    assert "data-check-next" not in as_alice.get(address).content.decode(), "there is nothing to check"
    with scope.bound(row.tenant_id):
        Segment.objects.filter(transcription=row, index=1).update(start=20.0, end=24.0, temperature=1.0)
        Transcription.objects.filter(id=row.id).update(missed_speech=[[6.0, 9.5], [22.0, 24.0]])
    page = as_alice.get(address).content.decode()
    assert "2 places to check" in page
    morning, gap, risks = (page.index(text) for text in ("Good morning.", "Speech without text, until 0:09.", "risks."))
    assert morning < gap < risks
    assert page.count("segment--gap") == 1


def test_a_recording_without_text_shows_the_speech_in_it(as_alice: Client, row: Transcription) -> None:
    with scope.bound(row.tenant_id):
        row.segments.all().delete()
        Transcription.objects.filter(id=row.id).update(missed_speech=[[6.0, 9.5]])
    page = as_alice.get(f"/recordings/{row.recording_id}/").content.decode()
    assert "1 place to check" in page
    assert "No speech was found" not in page


def test_the_page_s_queries_do_not_grow_with_the_segments(as_alice: Client, row: Transcription) -> None:
    counts = []
    for more in (0, 30):
        with scope.bound(row.tenant_id):
            Segment.objects.bulk_create(
                Segment(tenant_id=row.tenant_id, transcription=row, index=9 + n, start=n, end=n + 1, text=" More.")
                for n in range(more)
            )
            missed = [[100.0 + 3 * n, 102.0 + 3 * n] for n in range(more)]
            Transcription.objects.filter(id=row.id).update(missed_speech=missed)
        with CaptureQueriesContext(connection) as queries:
            assert as_alice.get(f"/recordings/{row.recording_id}/").status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]

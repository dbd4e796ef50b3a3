"""A translation beside its transcript: asked for once, never in its place, in files with it, without what is struck."""

from __future__ import annotations

import io
import time
from typing import Any

import docx
import pytest
from django.db.models import F
from django.test import Client

from tenants import scope
from tenants.models import AuditEntry, Reservation
from tests.conftest import Character
from tests.portal.web.conftest import Make, make_translation
from transcription import search
from transcription.exports.beside import aligned
from transcription.exports.document import word_document
from transcription.library import recordings
from transcription.models import Engine, Recording, Segment, Task, Transcription

GERMAN = ("Guten Morgen, alle zusammen.", "Herr Krause hat zwei Risiken gesehen.")


@pytest.fixture
def row(alice: Character, make: Make) -> Transcription:
    row = make(alice.tenant, text=" ".join(GERMAN))
    with scope.bound(alice.tenant.id):
        Transcription.objects.filter(id=row.id).update(detected_language="de")
        for index, text in enumerate(GERMAN):
            Segment.objects.filter(transcription=row, index=index).update(text=f" {text}")
        Engine.objects.update_or_create(name="host", defaults={"model_versions": {"base": "base@1"}})
        row.refresh_from_db()
    return row


def file_of(client: Client, row: Transcription, format: str, other: Transcription, **more: Any) -> Any:
    answer = client.get(f"/transcriptions/{row.id}/download.{format}", {"beside": str(other.id), **more})
    assert answer.status_code == 200, answer.content
    return answer


def test_a_translation_is_asked_for_once_and_the_transcript_stays_the_recordings_text(
    as_alice: Client, alice: Character, row: Transcription
) -> None:
    assert b"data-beside-translate" in as_alice.get(f"/recordings/{row.recording_id}/").content
    first = as_alice.post(f"/transcriptions/{row.id}/beside/")
    again = as_alice.post(f"/transcriptions/{row.id}/beside/")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["under_way"]["status"] == "queued"
    with scope.bound(alice.tenant.id):
        made = Transcription.objects.get(translates=row)
        assert (made.task, made.language, made.word_timestamps, made.speakers) == (Task.TRANSLATE, "de", False, "off")
        assert Reservation.objects.get(transcription_id=made.id).seconds == 101
        assert recordings.recording(alice.actor, row.recording_id).latest == row
        assert [one.latest for one in recordings.recordings(alice.actor)] == [row]
        search.index_recording(row.recording_id)
    assert as_alice.get("/recordings/", {"q": "Krause"}).content.count(b"Board meeting") > 0
    page = as_alice.get(f"/recordings/{row.recording_id}/").content.decode()
    assert "Guten Morgen" in page
    assert 'data-transcription="' not in page, "the transcript is not hidden behind the translation's progress"
    address = f"/api/v1/transcriptions/{row.id}/translation"
    told = Client().post(address, content_type="application/json", headers=alice.bearer)
    assert (told.status_code, told.json()["translates"], told.json()["id"]) == (201, str(row.id), str(made.id))


def test_both_texts_are_in_one_file(as_alice: Client, row: Transcription) -> None:
    other = make_translation(row, "Good morning, all of you.", "Mr Krause saw two risks & more.")
    text = file_of(as_alice, row, "txt", other)
    assert text.content.decode() == (
        f"{GERMAN[0]}\nGood morning, all of you.\n\n{GERMAN[1]}\nMr Krause saw two risks & more.\n\n"
    )
    assert 'filename="Board meeting.de.en.txt"' in text["Content-Disposition"]
    assert "zwei Risiken gesehen.\nMr Krause saw two risks & more.\n" in file_of(as_alice, row, "srt", other).text
    laid_out = file_of(as_alice, row, "vtt", other, max_line_length="20", max_lines="1").text
    assert laid_out.count("-->") == 4
    assert "Guten Morgen,\nGood morning,\n" in laid_out
    assert laid_out.count("&amp;") == 1
    table = docx.Document(io.BytesIO(file_of(as_alice, row, "docx", other).content)).tables[0]
    assert [cell.text for cell in table.rows[1].cells] == [
        f"[0:00:04]\u2002{GERMAN[1]}",
        "Mr Krause saw two risks & more.",
    ]
    assert as_alice.get(f"/transcriptions/{row.id}/download.json?beside={other.id}").status_code == 400
    assert as_alice.get(f"/transcriptions/{row.id}/download.txt?beside={row.id}").status_code == 404
    assert as_alice.get(f"/transcriptions/{row.id}/download.txt?beside=x").status_code == 404


def test_a_line_of_which_a_word_is_struck_is_hidden_whole_in_its_translation(
    as_bob: Client, alice: Character, row: Transcription
) -> None:
    other = make_translation(row, "Good morning.", "Two risks were seen by Mr Krause.")
    timed = [
        {"word": word, "start": 4.0 + n, "end": 5.0 + n} for n, word in enumerate((" Two risks", " by Mr Krause."))
    ]
    with scope.bound(alice.tenant.id):
        Segment.objects.filter(transcription=other, index=1).update(words=timed)
        Recording.objects.update(struck=[[6.5, 6.6]])
    shown = as_bob.get(f"/transcriptions/{row.id}/beside/{other.id}/").json()
    assert shown == {"language": "en", "lines": [[0.0, 4.0, "Good morning."], [4.0, 8.0, "█████"]]}
    assert "Krause" not in file_of(as_bob, row, "txt", other).text


def test_another_organisations_text_is_nobodys(as_alice: Client, row: Transcription, mallory: Character) -> None:
    other = make_translation(row, "Good morning.")
    stranger = Client()
    stranger.force_login(mallory.user)
    for address in (f"/transcriptions/{row.id}/beside/", f"/transcriptions/{row.id}/beside/{other.id}/"):
        assert stranger.get(address).status_code == 404
    with scope.bound(row.tenant_id):
        Transcription.objects.filter(id=other.id).update(text_deleted_at=F("finished_at"))
    assert as_alice.get(f"/transcriptions/{row.id}/beside/{other.id}/").status_code == 404
    assert as_alice.get(f"/transcriptions/{row.id}/download.txt?beside={other.id}").status_code == 410


def test_each_segment_stands_at_the_line_that_it_overlaps_most() -> None:
    def line(start: float, end: float, text: str = "x") -> Segment:
        return Segment(start=start, end=end, text=text)

    lines = [line(0, 4), line(4, 5), line(9, 12)]
    said = [
        line(0, 2, "a"),
        line(2, 4.4, "b"),
        line(4.4, 6, "c"),
        line(7, 8, "d"),
        line(8.5, 20, "e"),
        line(30, 31, "f"),
    ]
    assert aligned(lines, said) == ["a b", "c", "d e f"]
    assert aligned(lines, []) == ["", "", ""]
    assert aligned([], said) == []
    at_once = [line(0, 30), line(5, 6), line(7, 8, " "), line(40, 50)]
    assert aligned(at_once, [line(10, 20, "a"), line(7, 8, "b"), line(5.1, 5.5, "c")]) == ["a b", "c", "", ""]


def test_text_beside_a_line_without_text_is_in_every_file(as_alice: Client, row: Transcription) -> None:
    other = make_translation(row, "Good morning.", "Two risks.")
    with scope.bound(row.tenant_id):
        Segment.objects.filter(transcription=row, index=0).update(text="")
    files = [file_of(as_alice, row, format, other).content for format in ("txt", "srt", "vtt", "docx")]
    table = docx.Document(io.BytesIO(files.pop())).tables[0]
    assert all(b"Good morning. Two risks." in file for file in files)
    assert [cell.text for cell in table.rows[0].cells][1] == "Good morning. Two risks."


def test_both_texts_are_noted_as_read(as_alice: Client, alice: Character, row: Transcription) -> None:
    other = make_translation(row, "Good morning.")
    file_of(as_alice, row, "txt", other)
    as_alice.get(f"/transcriptions/{row.id}/cues/", {"beside": str(other.id)})
    Client().get(f"/api/v1/transcriptions/{row.id}/transcript.srt?beside={other.id}", headers=alice.bearer)
    with scope.bound(row.tenant_id):
        read: dict[str, list[tuple[str, Any]]] = {str(one.id): [] for one in (row, other)}
        for entry in AuditEntry.objects.filter(object_id__in=read).order_by("created_at"):
            read[entry.object_id].append((entry.action, entry.details.get("format", entry.details.get("by"))))
    both = [("transcript.exported", "txt"), ("transcript.read", "page"), ("transcript.exported", "srt")]
    assert list(read.values()) == [both, both]


def test_a_long_recording_takes_as_long_for_each_line_as_a_short_one(row: Transcription) -> None:
    def seconds(count: int) -> float:
        lines = [Segment(start=n, end=n + 1, text="Eins") for n in range(count)]
        to_the_end = [Segment(start=n, end=count, text="One") for n in range(count)]
        begin = time.process_time()
        texts = aligned(to_the_end, to_the_end)
        word_document(row, lines, beside=aligned(lines, to_the_end))
        assert len(texts) == count
        return time.process_time() - begin

    seconds(10)
    with scope.bound(row.tenant_id):
        assert seconds(2400) < 8 * seconds(400)


def test_a_translation_that_is_stopped_on_the_page_leaves_no_message(as_alice: Client, row: Transcription) -> None:
    work = as_alice.post(f"/transcriptions/{row.id}/beside/").json()["under_way"]
    assert as_alice.post(work["cancel"], headers={"X-Requested-With": "XMLHttpRequest"}).status_code == 204
    assert not list(as_alice.get("/recordings/").context["messages"])

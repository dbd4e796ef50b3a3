"""Proofreading on a transcript's page: what is shown first, what is marked, and by whom."""

from __future__ import annotations

import json
import re
from functools import partial
from html import unescape
from typing import Any

import pytest
from django.test import Client

from tenants import scope
from tenants.models import Tenant
from tests.conftest import Character
from tests.portal.web.conftest import Make
from transcription import exports
from transcription.folders import folders
from transcription.models import Recording, Segment, Transcription
from transcription.transcripts import learned_terms, terms

SPOKEN = ("We saw Helstern today.", "It is quiet, as Helstern is.", "He likes Helsterns, and Helstern's vicar.")


@pytest.fixture
def row(acme: Tenant, make: Make) -> Transcription:
    """Three segments of timed words; the model is unsure of a name, and missed somebody at the end."""
    row = make(acme, text=" ".join(SPOKEN), saved_seconds=60.0, missed_speech=[[40.0, 43.0]])
    with scope.bound(acme.id):
        Segment.objects.filter(transcription=row).delete()
        for index, text in enumerate(SPOKEN):
            words = [
                {"word": f" {word}", "start": 10 * index + at, "end": 10 * index + at + 1, "probability": chance}
                for at, word in enumerate(text.split())
                for chance in [0.2 if word == "Helstern" and index == 0 else 0.99]
            ]
            times = {"start": 10.0 * index, "end": 10.0 * index + 8}
            common = {"tenant": acme, "transcription": row, "avg_logprob": -0.2}
            Segment.objects.create(index=index, text=f" {text}", words=words, **times, **common)
    return row


def queue(client: Client, row: Transcription) -> Any:
    return client.get(f"/transcriptions/{row.id}/walk/").json()


def say(client: Client, row: Transcription, **body: Any) -> Any:
    return client.post(f"/transcriptions/{row.id}/walk/", body, "application/json")


def place(passage: dict[str, Any]) -> dict[str, Any]:
    return {name: passage[name] for name in ("index", "first", "last", "etag")}


def page(client: Client, row: Transcription) -> str:
    return unescape(client.get(f"/recordings/{row.recording_id}/").content.decode())


def test_what_is_probably_wrong_comes_first_and_is_checked_by_its_words(as_alice: Client, row: Transcription) -> None:
    shown = queue(as_alice, row)
    gap, name, *_ = shown["passages"]
    assert (gap["index"], gap["start"], shown["suspicious"]) == (None, 40.0, 2)
    assert name["text"][name["from"] : name["to"]] == "Helstern"
    assert "Probability of an error" in name["why"]
    checked = say(as_alice, row, do="check", **place(name)).json()["checked"]
    assert (checked["percent"], checked["sentence"]) == (6, "Checked 6 % by alice@acme.example")
    assert checked["account"][0] == "alice@acme.example checked 1 of 16 words."
    assert say(as_alice, row, do="check_gap", start=40.0, etag=shown["etag"]).status_code == 200
    left = queue(as_alice, row)
    assert left["suspicious"] == 0
    assert {passage["index"] for passage in left["passages"]} == {0, 1, 2}
    say(as_alice, row, do="uncheck", **place(name))
    say(as_alice, row, do="uncheck_gap", start=40.0, etag=shown["etag"])
    assert queue(as_alice, row)["passages"][:2] == [gap, name]


def test_a_correction_is_checked_by_its_editor_and_its_undo_takes_that_back(
    as_alice: Client, row: Transcription
) -> None:
    name = queue(as_alice, row)["passages"][1]
    say(as_alice, row, do="check", index=1, first=0, last=12, etag="1.0")
    saved = say(as_alice, row, do="correct", index=0, text="We saw Helstone today.", etag=name["etag"]).json()
    assert saved["checked"]["percent"] == 43, "seven of sixteen words"
    assert all(passage["index"] != 0 for passage in queue(as_alice, row)["passages"])
    undone = as_alice.post(f"/transcriptions/{row.id}/revert/", {"revision": 0, "etag": "1"}, "application/json")
    assert undone.json()["revision"] == 2
    again = queue(as_alice, row)
    assert again["checked"]["percent"] == 18, "what was checked before stays"
    assert any(passage["index"] == 0 for passage in again["passages"])


def test_the_same_words_are_fixed_everywhere_at_once_and_undone_at_once(as_alice: Client, row: Transcription) -> None:
    saved = say(as_alice, row, do="correct", index=0, text="We saw Helstone today.", etag="0.0").json()
    offer = saved["alike"]
    assert (offer["wrong"], offer["right"], offer["label"]) == ("Helstern", "Helstone", "2 more places with “Helstern”")
    assert [each["after"] for each in offer["places"]] == [
        "It is quiet, as Helstone is.",
        "He likes Helsterns, and Helstone's vicar.",
    ]
    fixed = say(as_alice, row, do="fix_all", wrong="Helstern", right="Helstone", etag=saved["etag"]).json()
    assert (fixed["change"]["first"], fixed["change"]["added"]) == (1, 2)
    assert fixed["checked"]["percent"] == 25, "nobody has listened to those"
    as_alice.post(f"/transcriptions/{row.id}/revert/", {"revision": 1, "etag": "2"}, "application/json")
    with scope.bound(row.tenant_id):
        now = [segment.text.strip() for segment in row.segments.all()]
    assert now == ["We saw Helstone today.", *SPOKEN[1:]]


def test_what_was_missed_is_written_where_it_is_said(as_alice: Client, row: Transcription) -> None:
    etag = queue(as_alice, row)["etag"]
    change = say(as_alice, row, do="insert", start=40.0, end=43.0, text="Good night.", etag=etag).json()["change"]
    assert (change["first"], change["removed"], change["added"]) == (3, 0, 1)
    with scope.bound(row.tenant_id):
        assert [segment.text.strip() for segment in row.segments.all()] == [*SPOKEN, "Good night."]
    assert all(passage["index"] is not None for passage in queue(as_alice, row)["passages"])


def test_lists_files_and_the_page_say_who_has_checked_how_much(as_alice: Client, row: Transcription) -> None:
    assert "data-checked hidden>" in page(as_alice, row)
    with scope.bound(row.tenant_id):
        assert "checked" not in json.loads(exports.render(row, "json").body)
    say(as_alice, row, do="check", index=0, first=0, last=22, etag="0.0")
    sentence = "Checked 25 % by alice@acme.example"
    assert sentence in page(as_alice, row)
    assert sentence in unescape(as_alice.get("/recordings/").content.decode())
    row.refresh_from_db()
    with scope.bound(row.tenant_id):
        body = json.loads(exports.render(row, "json").body)
        assert exports.render(row, "docx").body
    assert (body["checked"]["words"], body["checked"]["checked_words"]) == (16, 4)
    assert [segment["checked"] for segment in body["segments"]] == [True, False, False]


def test_who_marks_what_somebody_else_has_changed_is_told(as_alice: Client, row: Transcription) -> None:
    name = queue(as_alice, row)["passages"][1]
    say(as_alice, row, do="correct", index=0, text="We saw nothing today.", etag="0.0")
    late = say(as_alice, row, do="check", **place(name))
    assert (late.status_code, "Somebody else" in late.json()["error"]["message"]) == (412, True)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"do": "check", "index": "0", "first": 0, "last": 3}, 400),
        ({"do": "check", "index": 0, "first": 3, "last": 3}, 400),
        ({"do": "check", "index": 0, "first": 0, "last": 999}, 400),
        ({"do": "check", "index": 9, "first": 0, "last": 3}, 404),
        ({"do": "check_gap", "start": 5.0}, 404),
        ({"do": "insert", "start": 12.0, "end": 900.0, "text": "Later."}, 400),
        ({"do": "fix_all", "wrong": "", "right": "a"}, 400),
        ({"do": "correct", "index": 0, "text": " "}, 400),
    ],
)
def test_nonsense_is_refused(body: dict[str, Any], status: int, as_alice: Client, row: Transcription) -> None:
    etags = ["0", "0.0"]
    assert {say(as_alice, row, **body, etag=etag).status_code for etag in etags} <= {status, 412}
    assert status in {say(as_alice, row, **body, etag=etag).status_code for etag in etags}


def test_bob_reads_what_was_checked_but_checks_nothing(as_bob: Client, row: Transcription) -> None:
    assert "data-walk" not in page(as_bob, row)
    assert as_bob.get(f"/transcriptions/{row.id}/walk/").status_code == 403
    assert say(as_bob, row, do="check", index=0, first=0, last=5, etag="0.0").status_code == 403


def test_mallory_finds_nothing(client: Client, mallory: Character, row: Transcription) -> None:
    client.force_login(mallory.user)
    assert client.get(f"/transcriptions/{row.id}/walk/").status_code == 404
    assert say(client, row, do="check", index=0, first=0, last=5, etag="0.0").status_code == 404


def test_the_library_lists_what_is_to_proofread_worst_first(as_alice: Client, acme: Tenant, make: Make) -> None:
    good = make(acme, "good.mp3", text="Good.", doubtful_words=1.0)
    bad = make(acme, "bad.mp3", text="Bad.", doubtful_words=20.0)
    done = make(acme, "done.mp3", text="Done.", doubtful_words=50.0, checked_share=1.0)
    make(acme, "silent.mp3", text="")
    make(acme, "waiting.mp3", "queued")

    def listed(checked: str) -> list[str]:
        shown = as_alice.get("/recordings/rows/", {"checked": checked}).content.decode()
        return list(re.findall(r'id="row-([0-9a-f-]+)"', shown))

    assert listed("to_check") == [str(bad.recording_id), str(good.recording_id)]
    assert listed("checked") == [str(done.recording_id)]
    assert len(listed("nonsense")) == len(listed("")) == 5


def test_a_correction_becomes_a_term_of_the_organisation_and_is_taken_back(
    as_alice: Client, alice: Character, row: Transcription
) -> None:
    def known() -> list[tuple[str, list[str]]]:
        return list(terms.visible(alice.actor).values_list("text", "spellings"))

    def correct(after: str) -> Any:
        listed = queue(as_alice, row)["passages"]
        etag = next(one["etag"] for one in listed if one["index"] == 0)
        return say(as_alice, row, do="correct", index=0, text=f"We saw {after} today.", etag=etag).json()["terms"]

    with scope.bound(alice.tenant.id):
        [offered] = correct("Halstern")
        assert "“Halstern” wherever “Helstern” is heard" in offered["label"]
        assert known() == []
        words = {"wrong": "Helstern", "right": "Halstern"}
        learned = say(as_alice, row, do="learn", **words).json()
        assert (learned["is_new"], known()) == (True, [("Halstern", ["Helstern"])])
        assert say(as_alice, row, do="learn", wrong="Helstern", right="Holstern").status_code == 400
        more = say(as_alice, row, do="learn", wrong="Hal Stern", right="halstern").json()
        assert (more["is_new"], known()) == (False, [("Halstern", ["Helstern", "Hal Stern"])])
        back = {"do": "forget", "term": learned["term"]}
        assert say(as_alice, row, **back, wrong="Hal Stern", is_new=False).status_code == 200
        assert known() == [("Halstern", ["Helstern"])]
        assert say(as_alice, row, **back, wrong="Helstern", is_new=True).status_code == 200
        assert known() == []
        assert say(as_alice, row, **back, wrong="Helstern", is_new=True).status_code == 404


def test_a_correction_in_a_folder_becomes_a_term_of_it_alone(
    as_alice: Client, alice: Character, row: Transcription
) -> None:
    with scope.bound(alice.tenant.id):
        folder = folders.create(alice.actor, "Astronomy")
        Recording.objects.filter(id=row.recording_id).update(folder=folder)
        etag = next(one["etag"] for one in queue(as_alice, row)["passages"] if one["index"] == 0)
        sent = {"index": 0, "text": "We saw Halstern today.", "etag": etag}
        offered = say(as_alice, row, do="correct", **sent).json()["terms"]
        assert [one["of_folder"] for one in offered] == [True, False]
        assert "“Astronomy”: “Halstern” wherever “Helstern” is heard" in offered[0]["label"]
        words = {name: offered[0][name] for name in ("wrong", "right", "of_folder")}
        learned = say(as_alice, row, do="learn", **words).json()
        assert terms.visible(alice.actor).count() == 0
        assert terms.visible(alice.actor, folder).get().spellings == ["Helstern"]
        back = {"do": "forget", "term": learned["term"], "wrong": "Helstern", "is_new": True}
        assert say(as_alice, row, **back).status_code == 200
        assert not terms.visible(alice.actor, folder).exists()


def test_a_term_is_not_offered_where_it_cannot_be(as_alice: Client, alice: Character, row: Transcription) -> None:
    with scope.bound(alice.tenant.id):
        terms.create(alice.actor, "Hull", ["Helstern"])
        terms.create(alice.actor, "Halstern", is_active=False)
        offer = partial(learned_terms.offer, alice.actor)
        for words in (("Helstern", "Holt"), ("Hal", "Halstern"), ("holt", "Holt"), ("x", "Holt"), ("Hull", "Holt")):
            assert offer(*words) == ""
        assert offer("Halt", "Holt")

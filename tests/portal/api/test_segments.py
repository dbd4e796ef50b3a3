"""Correcting a transcript by program: nobody overwrites anybody, and nothing is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from tenants import scope
from tests.conftest import Character
from transcription.models import MachineText, Recording, Segment, Status, Transcription

pytestmark = pytest.mark.django_db
SPOKEN = [" Good morning, everybody.", " There are two risks.", " Thank you."]


def words_of(text: str, start: float, end: float) -> list[dict[str, Any]]:
    pieces = [f" {piece}" for piece in text.split()]
    step = (end - start) / len(pieces)
    return [
        {"word": piece, "start": start + i * step, "end": start + (i + 1) * step, "probability": 0.9}
        for i, piece in enumerate(pieces)
    ]


@pytest.fixture
def row(alice: Character) -> Transcription:
    """Three segments with timed words, of 4 seconds each."""
    tenant = alice.tenant
    with scope.bound(tenant.id):
        recording = Recording.objects.create(
            tenant=tenant, name="Board.mp3", source="api", storage_key="nowhere", format="mp3", bytes=1,
            sha256="0" * 64, duration_seconds=13.0,
        )  # fmt: skip
        row = Transcription.objects.create(
            tenant=tenant, recording=recording, model="base", status=Status.COMPLETED, text="".join(SPOKEN).strip()
        )
        for index, text in enumerate(SPOKEN):
            start, end = index * 4.0, index * 4.0 + 4.0
            Segment.objects.create(
                tenant=tenant, transcription=row, index=index, start=start, end=end, text=text, tokens=[1, 2],
                words=words_of(text, start, end),
            )  # fmt: skip
    return row


class Program:
    """A caller of the API with one key."""

    def __init__(self, character: Character, row: Transcription) -> None:
        self.client = Client(headers=character.bearer)
        self.base = f"/api/v1/transcriptions/{row.id}"

    def __call__(self, method: str, path: str, body: object = None, seen: str | None = None) -> Any:
        headers = {"If-Match": seen} if seen is not None else {}
        return self.client.generic(
            method, f"{self.base}{path}", b"" if body is None else _json(body), "application/json", headers=headers
        )

    def texts(self) -> list[str]:
        return [one["text"] for one in self("GET", "/segments").json()["segments"]]

    def tag(self) -> str:
        return str(self("GET", "/segments")["ETag"])


def _json(body: object) -> bytes:
    return json.dumps(body).encode()


@pytest.fixture
def alices(alice: Character, row: Transcription) -> Program:
    return Program(alice, row)


@pytest.fixture
def within_acme(alice: Character) -> Iterator[None]:
    with scope.bound(alice.tenant.id):
        yield


def test_segments_are_read_whole_or_in_pages(alices: Program) -> None:
    whole = alices("GET", "/segments")
    assert (whole.json()["revision"], whole.json()["total"], whole["ETag"]) == (0, 3, '"0"')
    assert [one["text"] for one in whole.json()["segments"]] == [text.strip() for text in SPOKEN]
    page = alices("GET", "/segments?limit=2").json()
    assert [one["index"] for one in page["segments"]] == [0, 1]
    rest = alices.client.get(page["next"]).json()
    assert ([one["index"] for one in rest["segments"]], rest["next"]) == ([2], None)


def test_speech_without_text_is_told_whole_on_every_page(alices: Program, row: Transcription) -> None:
    assert alices("GET", "/segments").json()["missed_speech"] == []
    with scope.bound(row.tenant_id):
        Transcription.objects.filter(id=row.id).update(missed_speech=[[2.0, 3.5], [20.0, 22.25]])
    for query in ("", "?limit=1", "?from=2&limit=1"):
        assert alices("GET", f"/segments{query}").json()["missed_speech"] == [{"start": 20.0, "end": 22.25}]
    put = {"segments": [{"start": 0.0, "end": 23.0, "text": "Good morning."}]}
    with scope.bound(row.tenant_id):
        Recording.objects.filter(id=row.recording_id).update(duration_seconds=30.0)
    assert alices("PUT", "/segments", put, alices.tag()).json()["missed_speech"] == []


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "from=-1", "limit=1001", "limit=²"])
def test_a_bad_page_is_a_problem(query: str, alices: Program) -> None:
    answer = alices("GET", f"/segments?{query}")
    assert (answer.status_code, answer.json()["param"]) == (400, query.split("=")[0])


def test_a_correction_is_seen_by_every_reader(alices: Program) -> None:
    first = alices("GET", "/segments/1")
    changed = alices("PATCH", "/segments/1", {"text": "There are three risks."}, first["ETag"])
    assert (changed.status_code, changed.json()["text"]) == (200, "There are three risks.")
    for extension in ("txt", "srt", "vtt", "tsv", "json"):
        text = alices("GET", f"/transcript.{extension}").content.decode()
        assert "three risks" in text
        assert "two risks" not in text
    assert alices("GET", "/transcript.json").json()["text"].startswith("Good morning, everybody. There are three")


def test_subtitles_are_laid_out_on_request(alices: Program) -> None:
    for extension in ("srt", "vtt"):
        text = alices("GET", f"/transcript.{extension}?max_line_length=12&max_lines=1").content.decode()
        assert "\nThere are\n" in text
        assert "\ntwo risks.\n" in text


@pytest.mark.parametrize(
    ("file", "param"),
    [
        ("srt?max_line_length=9", "max_line_length"),
        ("vtt?max_lines=eleven", "max_lines"),
        ("txt?max_lines=2", "max_lines"),
        ("docx?max_line_length=42", "max_line_length"),
    ],
)
def test_a_layout_that_makes_no_sense_is_a_problem(file: str, param: str, alices: Program) -> None:
    answer = alices("GET", f"/transcript.{file}")
    assert (answer.status_code, answer.json()["param"]) == (400, param)
    assert answer["Content-Type"] == "application/problem+json"


def test_a_document_is_downloaded(alices: Program) -> None:
    answer = alices("GET", "/transcript.docx")
    assert answer["Content-Type"].endswith("wordprocessingml.document")
    assert answer.content.startswith(b"PK")


def test_words_that_stay_keep_their_times(alices: Program) -> None:
    before = alices("GET", "/segments/1")
    after = alices("PATCH", "/segments/1", {"text": "There are, hm, three risks."}, before["ETag"]).json()["words"]
    was = {word["word"]: word for word in before.json()["words"]}
    assert [word["word"] for word in after] == ["There", "are,", "hm,", "three", "risks."]
    assert after[0] == was["There"]
    assert after[-1] == was["risks."]
    times = [time for word in after for time in (word["start"], word["end"])]
    assert times == sorted(times)
    assert "probability" not in after[2]


def test_without_if_match_nothing_is_changed(alices: Program) -> None:
    answer = alices("PATCH", "/segments/0", {"text": "Hello."})
    assert (answer.status_code, answer.json()["code"]) == (428, "precondition_required")
    assert alices.texts()[0] == SPOKEN[0].strip()


def test_two_editors_of_one_segment_do_not_overwrite_each_other(alices: Program) -> None:
    seen = alices("GET", "/segments/0")["ETag"]
    assert alices("PATCH", "/segments/0", {"text": "Alice's."}, seen).status_code == 200
    late = alices("PATCH", "/segments/0", {"text": "Carol's."}, seen)
    assert (late.status_code, late.json()["code"]) == (412, "stale")
    assert alices.texts()[0] == "Alice's."
    assert alices("PATCH", "/segments/0", {"text": "Carol's."}, late.json()["etag"]).status_code == 200


def test_editors_of_different_segments_do_not_hinder_each_other(alices: Program) -> None:
    tags = [one["etag"] for one in alices("GET", "/segments").json()["segments"]]
    for index, tag in enumerate(tags):
        assert alices("PATCH", f"/segments/{index}", {"text": f"Number {index}."}, tag).status_code == 200
    assert alices.texts() == ["Number 0.", "Number 1.", "Number 2."]


def test_a_tag_is_of_a_segment_and_not_of_its_place(alices: Program) -> None:
    """After a segment before it went, another one stands there: it is not changed in the other's stead."""
    tags = [one["etag"] for one in alices("GET", "/segments").json()["segments"]]
    assert alices("DELETE", "/segments/0", seen=tags[0]).status_code == 204
    assert alices("PATCH", "/segments/1", {"text": "Wrong."}, tags[1]).status_code == 412
    assert alices.texts() == ["There are two risks.", "Thank you."]


@pytest.mark.parametrize("seen", ['"0"', 'W/"0"', "*", '"7", "0"'])
def test_tags_may_be_weak_many_or_any(seen: str, alices: Program) -> None:
    assert alices("PATCH", "/segments/0", {"text": "Hello."}, seen).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"text": ""},
        {"text": " \x00\n"},
        {"text": 5},
        {"text": None},
        {"text": "x" * 5001},
        {"start": 5},
        {"start": -1},
        {"start": "1"},
        {"start": True},
        {"end": 1e300},
        {"end": 100},
        [],
        "text",
    ],
    ids=repr,
)
def test_what_makes_no_sense_is_refused_with_a_reason(body: object, alices: Program) -> None:
    answer = alices("PATCH", "/segments/0", body, '"0"')
    assert answer.status_code == 400
    assert answer.json()["detail"]
    assert alices("GET", "/segments").json()["revision"] == 0


def test_characters_that_no_file_can_hold_are_left_out(alices: Program) -> None:
    answer = alices("PATCH", "/segments/0", {"text": "ab\x07c\r\nd\u2028e"}, "*")
    assert answer.json()["text"] == "abc d e"


def test_all_segments_are_replaced_in_one_call(alices: Program) -> None:
    kept = alices("GET", "/segments").json()["segments"]
    wanted = [
        {"start": 0.0, "end": 2.0, "text": "Good morning,"},
        {"start": 2.0, "end": 4.0, "text": "everybody."},
        {"start": 4.0, "end": 8.0, "text": "There are two risks."},
    ]
    answer = alices("PUT", "/segments", {"segments": wanted}, '"0"')
    assert (answer.status_code, answer["ETag"]) == (200, '"1"')
    segments = answer.json()["segments"]
    assert [{name: one[name] for name in ("start", "end", "text")} for one in segments] == wanted
    assert segments[2]["words"] == kept[1]["words"]
    assert [word["word"] for one in segments[:2] for word in one["words"]] == ["Good", "morning,", "everybody."]
    assert alices("PUT", "/segments", {"segments": wanted}, '"0"').status_code == 412
    assert alices("PUT", "/segments", {"segments": wanted}, '"1"').json()["revision"] == 1, "nothing changed"


@pytest.mark.parametrize(
    "segments",
    [
        None,
        [5],
        [{"start": 0, "end": 1}],
        [{"start": 2, "end": 1, "text": "a"}],
        [{"start": 2, "end": 3, "text": "a"}, {"start": 1, "end": 3, "text": "b"}],
        [{"start": 0, "end": 99, "text": "a"}],
    ],
    ids=repr,
)
def test_segments_out_of_order_are_refused(segments: object, alices: Program) -> None:
    assert alices("PUT", "/segments", {"segments": segments}, "*").status_code == 400


def test_an_endless_body_is_not_read(alices: Program) -> None:
    answer = alices("PUT", "/segments", {"segments": "x" * 9_000_000}, "*")
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_a_split_goes_by_the_words_times_and_a_merge_brings_it_back(alices: Program) -> None:
    whole = alices("GET", "/segments/1").json()
    both = alices("POST", "/segments/1/split", {"position": len("There are")}, '"0"')
    assert both.status_code == 200
    left, right = both.json()["segments"]
    assert (left["text"], left["start"], left["end"]) == ("There are", 4.0, 6.0)
    assert (right["text"], right["start"], right["end"]) == ("two risks.", 6.0, 8.0)
    assert alices.texts()[3] == "Thank you."
    merged = alices("POST", "/segments/1/merge", {}, both["ETag"]).json()["segments"][0]
    assert {name: merged[name] for name in ("text", "start", "end", "words")} == {
        name: whole[name] for name in ("text", "start", "end", "words")
    }


@pytest.mark.parametrize("body", [{}, {"position": 0}, {"position": 99}, {"position": 5, "at": 1.0}], ids=repr)
def test_there_is_text_on_both_sides_of_a_split(body: object, alices: Program) -> None:
    assert alices("POST", "/segments/1/split", body, "*").status_code == 400


def test_splits_and_merges_need_no_more_than_the_segments_own_tags(alices: Program) -> None:
    alices("PATCH", "/segments/0", {"text": "Somebody else's."}, '"0.0"')
    assert alices("POST", "/segments/1/split", {"position": 5}, '"1.7"').status_code == 412
    assert alices("POST", "/segments/1/split", {"position": 5}, '"1.0"').status_code == 200
    assert alices("POST", "/segments/1/merge", {}, '"1.2"').status_code == 412, "the other half may be another one"
    assert alices("POST", "/segments/1/merge", {}, '"1.2", "2.2"').status_code == 200


def test_the_last_segment_has_none_to_be_merged_with(alices: Program) -> None:
    assert alices("POST", "/segments/2/merge", {}, "*").status_code == 404


def test_every_change_is_remembered_and_can_be_undone(alices: Program, alice: Character) -> None:
    machine = alices("GET", "/segments").json()["segments"]
    alices("PATCH", "/segments/0", {"text": "Good evening."}, "*")
    after_first = alices("GET", "/segments").json()["segments"]
    alices("POST", "/segments/1/split", {"position": 5}, "*")
    alices("DELETE", "/segments/3", seen="*")
    alices("PUT", "/segments", {"segments": []}, "*")
    history = alices("GET", "/revisions").json()["results"]
    assert [one["action"] for one in history] == ["replace", "remove", "split", "edit"]
    assert history[-1]["before"] == [{"start": 0.0, "end": 4.0, "text": SPOKEN[0].strip()}]
    assert history[-1]["made_by"] == f"Key of {alice.user.email}"
    back = alices("POST", "/revert", {"revision": 1}, '"4"')
    assert [one | {"revision": 0, "etag": ""} for one in back.json()["segments"]] == [
        one | {"revision": 0, "etag": ""} for one in after_first
    ]
    assert alices("POST", "/revert", {"revision": 0}, '"4"').status_code == 412
    original = alices("POST", "/revert", {"revision": 0}, '"5"').json()
    assert (original["revision"], [one["text"] for one in original["segments"]]) == (6, [o["text"] for o in machine])
    assert [one["words"] for one in original["segments"]] == [one["words"] for one in machine]
    forward = alices("POST", "/revert", {"revision": 5}, '"6"').json()
    assert forward["segments"][0]["text"] == "Good evening.", "a revert can be reverted"


def test_history_comes_in_pages(alices: Program) -> None:
    for number in range(5):
        alices("PATCH", "/segments/0", {"text": f"Version {number}."}, "*")
    page = alices("GET", "/revisions?limit=2").json()
    assert [one["number"] for one in page["results"]] == [5, 4]
    older = alices.client.get(page["next"]).json()
    assert [one["number"] for one in older["results"]] == [3, 2]


def test_the_machines_text_outlives_all_revisions(
    alices: Program, monkeypatch: pytest.MonkeyPatch, within_acme: None
) -> None:
    monkeypatch.setattr("transcription.transcripts.revisions.MAX_REVISIONS", 3)
    for number in range(6):
        alices("PATCH", "/segments/0", {"text": f"Version {number}."}, "*")
    assert len(alices("GET", "/revisions").json()["results"]) == 3
    assert alices("POST", "/revert", {"revision": 2}, "*").status_code == 404
    assert alices("POST", "/revert", {"revision": 99}, "*").status_code == 404
    assert alices("POST", "/revert", {"revision": 0}, "*").json()["segments"][0]["text"] == SPOKEN[0].strip()
    assert MachineText.objects.get().text == "".join(SPOKEN).strip()


def test_what_is_not_done_or_gone_cannot_be_corrected(alices: Program, within_acme: None) -> None:
    Transcription.objects.update(status=Status.RUNNING)
    answer = alices("PATCH", "/segments/0", {"text": "Hello."}, "*")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_completed")
    Transcription.objects.update(status=Status.COMPLETED, text_deleted_at="2026-01-01T00:00:00Z")
    answer = alices("GET", "/segments")
    assert (answer.status_code, answer.json()["code"]) == (410, "text_deleted")


STRANGE: list[tuple[str, str, object]] = [
    ("GET", "/segments", None),
    ("PUT", "/segments", {"segments": []}),
    ("GET", "/segments/0", None),
    ("PATCH", "/segments/0", {"text": "Mine."}),
    ("DELETE", "/segments/0", None),
    ("POST", "/segments/0/split", {"position": 4}),
    ("POST", "/segments/0/merge", {}),
    ("GET", "/revisions", None),
    ("POST", "/revert", {"revision": 0}),
]


@pytest.mark.parametrize(("method", "path", "body"), STRANGE)
def test_mallory_finds_nothing(
    method: str, path: str, body: object, mallory: Character, row: Transcription, alices: Program
) -> None:
    answer = Program(mallory, row)(method, path, body, "*")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert alices.texts() == [text.strip() for text in SPOKEN]


def test_a_program_is_told_what_speaks_against_a_segment_until_it_is_corrected(
    alices: Program, row: Transcription
) -> None:
    with scope.bound(row.tenant_id):
        Segment.objects.filter(transcription=row, index=2).update(text=" Thanks for watching!", no_speech_prob=0.75)
    found = alices("GET", "/segments").json()["segments"]
    assert [one["doubts"] for one in found[:2]] == [[], []]
    assert found[2]["doubts"] == [{"kind": "no_speech", "figure": 0.75}, {"kind": "stock_phrase", "figure": 1.0}]
    corrected = alices("PATCH", "/segments/2", {"text": "Thank you."}, found[2]["etag"])
    assert corrected.json()["doubts"] == []
    everything = alices("GET", "/segments").json()["segments"]
    assert alices("PUT", "/segments", {"segments": everything}, alices.tag()).status_code == 200

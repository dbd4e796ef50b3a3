"""Splitting, merging and removing segments on the page of a transcript, and undoing it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from portal.web import recordings
from tenants import scope
from tenants.models import Tenant
from tests.conftest import Character
from tests.portal.web.conftest import Make
from transcription.models import Revision, Segment, Transcription


@pytest.fixture
def row(acme: Tenant, make: Make) -> Transcription:
    """Two segments of the machine's, of which it doubts the second."""
    made = make(acme, text="Good morning. There are <b>two</b> risks.")
    with scope.bound(acme.id):
        Segment.objects.filter(transcription=made, index=1).update(no_speech_prob=0.8)
    return made


def send(client: Client, row: Transcription, what: str, body: object, index: int = 0) -> Any:
    return client.post(f"/transcriptions/{row.id}/segments/{index}/{what}/", body, "application/json")


def undo(client: Client, row: Transcription, to: int, etag: int) -> Any:
    return client.post(f"/transcriptions/{row.id}/revert/", {"revision": to, "etag": str(etag)}, "application/json")


def texts(row: Transcription) -> list[str]:
    with scope.bound(row.tenant_id):
        return [segment.text.strip() for segment in Segment.objects.filter(transcription=row)]


def test_a_line_is_divided_at_the_caret_joined_again_undone_and_redone(as_alice: Client, row: Transcription) -> None:
    divided = send(as_alice, row, "split", {"position": 4, "etag": "0.0"}).json()
    assert (divided["revision"], divided["first"], divided["removed"], divided["added"]) == (1, 0, 1, 2)
    assert divided["lines"].count("<li") == 3, "both, and the one that follows"
    assert texts(row) == ["Good", "morning.", "There are <b>two</b> risks."]
    assert send(as_alice, row, "merge", {"etags": ["0.1", "1.1"]}).json()["revision"] == 2
    assert texts(row) == ["Good morning.", "There are <b>two</b> risks."]
    undone = undo(as_alice, row, 1, 2).json()
    assert (undone["removed"], undone["added"], texts(row)[:2]) == (1, 2, ["Good", "morning."])
    assert undo(as_alice, row, 2, 3).json()["revision"] == 4
    assert texts(row) == ["Good morning.", "There are <b>two</b> risks."]


def test_what_is_to_be_checked_stays_so_when_lines_before_it_are_changed(as_alice: Client, row: Transcription) -> None:
    page = f"/recordings/{row.recording_id}/"
    send(as_alice, row, "split", {"position": 4, "etag": "0.0"})
    assert as_alice.get(page).content.decode().count("Perhaps nobody speaks here.") == 1
    divided = send(as_alice, row, "split", {"position": 9, "etag": "2.1"}, index=2).json()
    assert divided["lines"].count("Perhaps nobody speaks here.") == 2, "both halves are as doubtful as the whole"
    assert "Perhaps nobody speaks here." in undo(as_alice, row, 0, 2).json()["lines"]


def test_a_line_that_somebody_else_changed_is_neither_divided_nor_joined(as_alice: Client, row: Transcription) -> None:
    address = f"/transcriptions/{row.id}/segments/1/"
    assert as_alice.post(address, {"text": "Carol's.", "etag": "1.0"}, "application/json").status_code == 200
    assert send(as_alice, row, "split", {"position": 4, "etag": "1.0"}, index=1).status_code == 412
    assert send(as_alice, row, "merge", {"etags": ["0.0", "1.0"]}).status_code == 412
    assert send(as_alice, row, "remove", {"etag": "1.0"}, index=1).status_code == 412
    assert texts(row) == ["Good morning.", "Carol's."]
    assert send(as_alice, row, "split", {"position": 4, "etag": "0.0"}).status_code == 200, "Carol's is another line"


@pytest.mark.parametrize(
    "body",
    [{}, [], {"position": -1}, {"position": 0}, {"position": 13}, {"position": 2**40}, {"position": "4"}, {"etag": 1}],
)
def test_a_place_that_is_none_is_refused(body: object, as_alice: Client, row: Transcription) -> None:
    given = {"etag": "0.0"} | body if isinstance(body, dict) else body
    assert send(as_alice, row, "split", given).status_code in (400, 412)
    assert send(as_alice, row, "split", {"position": 4, "etag": "9.0"}, index=9).status_code == 404
    assert send(as_alice, row, "merge", {"etags": ["1.0", "2.0"]}, index=1).status_code == 404
    assert texts(row) == ["Good morning.", "There are <b>two</b> risks."]


def test_no_character_is_divided(as_alice: Client, row: Transcription) -> None:
    with scope.bound(row.tenant_id):
        Segment.objects.filter(transcription=row, index=0).update(text=" Hi 👨\u200d👩\u200d👧 all")
    assert send(as_alice, row, "split", {"position": 5, "etag": "0.0"}).status_code == 400
    assert send(as_alice, row, "split", {"position": 3, "etag": "0.0"}).status_code == 200
    assert texts(row)[:2] == ["Hi", "👨\u200d👩\u200d👧 all"]


def test_a_line_can_be_removed_and_comes_back(as_alice: Client, row: Transcription) -> None:
    removed = send(as_alice, row, "remove", {"etag": "0.0"}).json()
    assert (removed["removed"], removed["added"], texts(row)) == (1, 0, ["There are <b>two</b> risks."])
    assert undo(as_alice, row, 0, 1).status_code == 200
    assert texts(row)[0] == "Good morning."


def test_others_get_nothing_and_viewers_change_nothing(as_bob: Client, mallory: Character, row: Transcription) -> None:
    assert as_bob.get(f"/transcriptions/{row.id}/lines/").json()["lines"].count("<li") == 2
    assert "data-etag" not in as_bob.get(f"/transcriptions/{row.id}/lines/").json()["lines"]
    stranger = Client()
    stranger.force_login(mallory.user)
    assert stranger.get(f"/transcriptions/{row.id}/lines/").status_code == 404
    for what, body in (("split", {"position": 4, "etag": "*"}), ("merge", {"etags": ["*"]}), ("remove", {"etag": "*"})):
        assert send(as_bob, row, what, body).status_code == 403
        assert send(stranger, row, what, body).status_code == 404
    with scope.bound(row.tenant_id):
        assert not Revision.objects.exists()


def test_times_are_shifted_for_a_selection_with_their_words_and_back(as_alice: Client, row: Transcription) -> None:
    words = [{"word": " Good", "start": 0.1, "end": 0.5}, {"word": " morning.", "start": 0.5, "end": 1.0}]
    with scope.bound(row.tenant_id):
        Segment.objects.filter(transcription=row, index=0).update(words=words)
    address = f"/transcriptions/{row.id}/segments/shift/"
    wanted = {"first": 0, "last": 1, "seconds": 1.25, "etag": "0"}
    assert as_alice.post(address, wanted, "application/json").json()["added"] == 2

    def times() -> list[Any]:
        with scope.bound(row.tenant_id):
            segments = list(Segment.objects.filter(transcription=row))
        return [(one.start, one.end, [word["start"] for word in one.words]) for one in segments]

    assert times() == [(1.25, 4.75, [1.35, 1.75]), (5.25, 8.75, [])]
    for seconds in (-1.3, -100, 200, "1", None, 10**400):
        assert as_alice.post(address, wanted | {"seconds": seconds, "etag": "1"}, "application/json").status_code == 400
    assert as_alice.post(address, wanted, "application/json").status_code == 412
    assert as_alice.post(address, wanted | {"last": 9, "etag": "1"}, "application/json").status_code == 404
    assert undo(as_alice, row, 0, 1).status_code == 200
    assert times() == [(0.0, 3.5, [0.1, 0.5]), (4.0, 7.5, [])]
    one = {"start": 0.5, "end": 3.0, "etag": "0.2"}
    assert as_alice.post(f"/transcriptions/{row.id}/segments/0/times/", one, "application/json").json()["added"] == 1
    assert times()[0][:2] == (0.5, 3.0)


def replace(client: Client, row: Transcription, what: str = "substitute", **body: Any) -> Any:
    return client.post(f"/transcriptions/{row.id}/{what}/", body, "application/json")


def test_what_is_found_is_previewed_and_what_is_ticked_is_replaced_at_once(
    as_alice: Client, row: Transcription
) -> None:
    found = replace(as_alice, row, "hits", find="o", match_case=True).json()
    assert [(hit["segment"], hit["position"], hit["found"]) for hit in found["hits"]] == [
        (0, 1, "o"),
        (0, 2, "o"),
        (0, 6, "o"),
        (1, 15, "o"),
    ]
    assert (found["total"], found["revision"]) == (4, 0)
    changed = replace(as_alice, row, find="o", replacement="0", skip=[[0, 2], [1, 15], "x"], etag="0").json()
    assert (changed["revision"], texts(row)) == (1, ["G0od m0rning.", "There are <b>two</b> risks."])
    assert replace(as_alice, row, find="o", replacement="1", etag="0").status_code == 412
    with scope.bound(row.tenant_id):
        assert Segment.objects.get(transcription=row, index=1).revision == 0, "nothing was found there that is ticked"
    assert replace(as_alice, row, find="r", replacement="R", etag="1").json()["added"] == 2
    assert "two" in as_alice.get(f"/transcriptions/{row.id}/history/").content.decode()
    assert undo(as_alice, row, 1, 2).status_code == 200
    assert texts(row) == ["G0od m0rning.", "There are <b>two</b> risks."]


def test_a_line_without_text_left_goes_and_too_much_of_it_is_refused(as_alice: Client, row: Transcription) -> None:
    assert replace(as_alice, row, find="Good morning.", etag="0").json()["removed"] == 1
    assert texts(row) == ["There are <b>two</b> risks."]
    address = f"/transcriptions/{row.id}/segments/0/"
    assert as_alice.post(address, {"text": "a" * 4999, "etag": "0.1"}, "application/json").status_code == 200
    assert replace(as_alice, row, find="a", replacement="bb", etag="2").status_code == 400
    assert replace(as_alice, row, find="", etag="2").status_code == 400
    assert replace(as_alice, row, "hits", find=5).status_code == 400


def test_strangers_find_nothing(as_bob: Client, mallory: Character, row: Transcription) -> None:
    stranger = Client()
    stranger.force_login(mallory.user)
    for what in ("hits", "substitute"):
        assert replace(stranger, row, what, find="o", replacement="0", etag="0").status_code == 404
        assert replace(as_bob, row, what, find="o", replacement="0", etag="0").status_code == 403


def test_a_long_transcript_comes_as_an_outline_and_line_by_line(
    as_alice: Client, row: Transcription, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scope.bound(row.tenant_id):
        for at in range(2, 7):
            Segment.objects.create(
                tenant=row.tenant, transcription=row, index=at, start=at * 10.0, end=at * 10.0 + 1, text=f" Line {at}."
            )
        Transcription.objects.filter(id=row.id).update(missed_speech=[[23.0, 25.0], [33.0, 35.0], [70.0, 75.0]])
    address = f"/transcriptions/{row.id}/lines/"
    whole = as_alice.get(address).json()
    outline = as_alice.get(f"{address}?outline").json()
    starts = [float(start) for start in re.findall(r'data-start="([\d.]+)"', whole["lines"])]
    assert [line[0] for line in outline["rows"]] == starts
    assert [line[0] for line in outline["rows"] if line[2] is None] == [23.0, 33.0, 70.0]
    assert (outline["total"], outline["revision"]) == (7, whole["revision"])
    part = as_alice.get(f"{address}?at=5,2,99,x,-1").json()
    assert re.findall(r'data-index="(\d+)"', part["lines"]) == ["2", "5"]
    assert "segment--goes-on" not in as_alice.get(f"{address}?at=0").json()["lines"]

    monkeypatch.setattr(recordings, "MOST_AT_ONCE", 5)
    monkeypatch.setattr(recordings, "AT_FIRST", 3)
    page = as_alice.get(f"/recordings/{row.recording_id}/").content.decode()
    assert (page.count('class="segment '), 'data-total="7"' in page) == (4, True)


def test_what_is_found_and_whose_lines_are_costs_as_many_queries_for_many_lines_as_for_few(
    as_alice: Client, row: Transcription
) -> None:
    with scope.bound(row.tenant_id):
        Transcription.objects.filter(id=row.id).update(speakers="auto")

    def queries() -> list[int]:
        counts = []
        for ask in (
            lambda: replace(as_alice, row, "hits", find="o"),
            lambda: as_alice.get(f"/transcriptions/{row.id}/speakers/"),
            lambda: as_alice.get(f"/recordings/{row.recording_id}/"),
        ):
            with CaptureQueriesContext(connection) as made:
                assert ask().status_code == 200
            counts.append(len(made))
        return counts

    few = queries()
    with scope.bound(row.tenant_id):
        for at in range(2, 30):
            Segment.objects.create(
                tenant=row.tenant, transcription=row, index=at, start=10.0 + at, end=10.5 + at, text=" So."
            )
    assert queries() == few

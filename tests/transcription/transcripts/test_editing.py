"""Corrections below the API: races, words, and whom they never reach."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tenants import scope
from tests.conftest import Character, create_member, create_tenant
from tests.portal.web.conftest import make_transcription
from tests.race import at_once
from tests.transcription.characters import submit
from tests.transcription.finishing import finish, serve
from transcription.intake import accept
from transcription.library import recordings
from transcription.models import Segment, Transcription
from transcription.options.options import TranscriptionOptions
from transcription.scripts import line_break_units
from transcription.segments.word_times import align_words
from transcription.transcripts import editing
from transcription.transcripts.editing import Stale
from transcription.transcripts.segment_edits import SegmentEdit

# A busy machine is slow.
calmly = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
TEXTS = st.lists(st.sampled_from(["a", "fox", "jumps,", "会", "议。", "over", "é"]), max_size=12)


def heard(text: str, start: float, end: float) -> list[dict[str, Any]]:
    pieces = line_break_units(text)
    step = (end - start) / max(1, len(pieces))
    return [
        {"word": piece, "start": start + i * step, "end": start + (i + 1) * step, "probability": 0.5}
        for i, piece in enumerate(pieces)
    ]


@calmly
@given(TEXTS.map(" ".join), TEXTS.map(" ".join))
def test_words_are_the_text_with_times_in_order(before: str, after: str) -> None:
    words = align_words(f" {after}".rstrip(), heard(before, 2.0, 6.0), 2.0, 6.0)
    if before.strip() and after.strip():
        assert "".join(word["word"] for word in words) == f" {after}".rstrip()
        times = [time for word in words for time in (word["start"], word["end"])]
        assert times == sorted(times)
        assert all(2.0 <= time <= 6.0 for time in times)
    else:
        assert words == []


@calmly
@given(TEXTS.map(" ".join))
def test_what_is_not_changed_keeps_all_its_times(text: str) -> None:
    words = align_words(text, heard(text, 0.0, 8.0), 0.0, 8.0)
    assert [word["word"] for word in words] == [word["word"] for word in heard(text, 0.0, 8.0)]
    assert all("probability" in word for word in words)


def test_a_new_word_gets_the_time_of_the_one_it_replaces() -> None:
    words = align_words(" the red fox", heard(" the quick fox", 0.0, 3.0), 0.0, 3.0)
    assert [(word["word"], word["start"], word["end"]) for word in words] == [
        (" the", 0.0, 1.0),
        (" red", 1.0, 2.0),
        (" fox", 2.0, 3.0),
    ]
    assert ["probability" in word for word in words] == [True, False, True]


def test_a_chinese_word_that_stays_is_kept_whole() -> None:
    spoken = [{"word": "会议", "start": 1.0, "end": 2.0}, {"word": "很长", "start": 2.0, "end": 4.0}]
    words = align_words("会议不长", spoken, 0.0, 5.0)
    assert [(word["word"], word["start"], word["end"]) for word in words] == [
        ("会议", 1.0, 2.0),
        ("不", 2.0, 3.0),
        ("长", 3.0, 4.0),
    ]


@pytest.mark.django_db
@pytest.mark.usefixtures("within")
def test_another_upload_gets_the_machines_text_and_not_a_persons(alice: Character, fox: Path) -> None:
    serve()
    first = finish(submit(alice.actor, fox))
    editing.edit(alice.actor, first.id, 0, {"*"}, text="Alice's private note.")
    again = submit(alice.actor, fox)
    assert (again.text, again.revision, again.reused_from_id) == ("The fox.", 0, first.id)
    assert [(s.text, s.tokens, s.revision) for s in again.segments.all()] == [(" The fox.", [1, 2], 0)]
    assert Transcription.objects.get(id=first.id).text == "Alice's private note."
    editing.edit(alice.actor, again.id, 0, {"*"}, text="Another.")
    third = submit(alice.actor, fox)
    assert third.text == "The fox."
    for other in (again, third):
        recordings.erase(alice.actor, other.recording_id)
    same = accept.transcribe_again(alice.actor, first.recording, TranscriptionOptions.checked())
    assert (same.id, same.text) == (first.id, "Alice's private note."), "the same recording shows what it has"


@pytest.mark.django_db(transaction=True)
def test_of_twenty_who_saw_the_same_one_wins() -> None:
    alice = create_member(create_tenant("Busy"), "alice@busy.example", "owner")
    row = make_transcription(alice.tenant)
    actor = alice.actor

    def save(number: int) -> bool:
        try:
            with scope.bound(alice.tenant.id):
                editing.edit(actor, row.id, 0, {"0.0"}, text=f"Number {number}.")
            return True
        except Stale:
            return False

    won = at_once(20, save)
    assert won.count(True) == 1
    with scope.bound(alice.tenant.id):
        assert Segment.objects.get(transcription=row, index=0).text == f" Number {won.index(True)}."
        assert row.revisions.count() == 1


@pytest.mark.django_db(transaction=True)
def test_twenty_changes_at_once_are_twenty_revisions_that_can_all_be_undone() -> None:
    alice = create_member(create_tenant("Busy"), "alice@busy.example", "owner")
    row = make_transcription(alice.tenant)
    actor = alice.actor

    def save(number: int) -> None:
        with scope.bound(alice.tenant.id):
            if number % 2:
                editing.edit(actor, row.id, 1, {"*"}, text=f"One and two and {number}.")
            else:
                some = [SegmentEdit(place, place + 1.0, f"{number}") for place in range(2 + number % 3)]
                editing.replace(actor, row.id, some, {"*"})

    at_once(20, save)
    with scope.bound(alice.tenant.id):
        assert row.revisions.count() == Transcription.objects.get(id=row.id).revision
        indexes = list(row.segments.values_list("index", flat=True))
        assert indexes == list(range(len(indexes)))
        editing.revert(actor, row.id, 0, {"*"})
        assert [one.text for one in row.segments.all()] == ["Good morning.", "There are <b>two</b> risks."]

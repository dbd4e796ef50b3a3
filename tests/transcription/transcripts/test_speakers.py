"""Naming, merging and reassigning speakers: each change is a revision that can be undone."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.http import Http404

from tenants import scope
from tenants.models import AuditEntry
from tests.conftest import Character
from tests.portal.web.conftest import make_transcription
from transcription import exports, search
from transcription.errors import InvalidOption
from transcription.models import Revision, Segment, Speaker, Transcription
from transcription.transcripts import editing, history, speakers
from transcription.transcripts.revisions import Stale

pytestmark = pytest.mark.django_db
VOICES = [0, 1, 0, 1, None]


@pytest.fixture
def row(alice: Character) -> Transcription:
    """Two speakers take turns; of the last line nobody knows whose it is."""
    row = make_transcription(alice.tenant, speakers="auto", text="One. Two.", saved_seconds=100.0)
    with scope.bound(alice.tenant.id):
        row.segments.all().delete()
        for index, voice in enumerate(VOICES):
            fields: dict[str, Any] = {"start": 2.0 * index, "end": 2.0 * index + 1.5, "text": f" Line {index}."}
            Segment.objects.create(tenant=alice.tenant, transcription=row, index=index, speaker=voice, **fields)
        Speaker.objects.bulk_create(Speaker.numbered(row, index) for index in (0, 1))
    return row


@pytest.fixture(autouse=True)
def bound(alice: Character) -> Any:
    with scope.bound(alice.tenant.id):
        yield


def voices(row: Transcription) -> list[int | None]:
    return list(row.segments.values_list("speaker", flat=True))


def labels(row: Transcription) -> list[str]:
    return [share.speaker.label for share in speakers.shares(row)]


def test_who_spoke_how_long(alice: Character, row: Transcription) -> None:
    _row, found = speakers.speakers(alice.actor, row.id)
    assert [(one.speaker.label, one.seconds, one.segments) for one in found] == [
        ("Speaker 1", 3.0, 2),
        ("Speaker 2", 3.0, 2),
    ]


def test_a_name_is_given_once_and_stands_everywhere(alice: Character, row: Transcription) -> None:
    speakers.rename(alice.actor, row.id, 1, " Dr. Li\n ", {"0"})
    assert labels(row) == ["Speaker 1", "Dr. Li"]
    assert exports.render(row, "txt").body.splitlines()[1] == "Dr. Li: Line 1."
    found, _more = search.page(alice.actor, search.terms_of("dr. li"), None, 5)
    assert [entry.recording_id for entry in found] == [row.recording_id], "the library finds who speaks"
    with pytest.raises(Stale):
        speakers.rename(alice.actor, row.id, 1, "Somebody else", {"0"})
    assert AuditEntry.objects.get(action="transcript.corrected").details["how"] == "rename"


def test_naming_can_be_undone_and_done_again(alice: Character, row: Transcription) -> None:
    for number, name in enumerate(["Ann", "Anna", ""]):
        speakers.rename(alice.actor, row.id, 0, name, {str(number)})
    for number, label in ((2, "Anna"), (1, "Ann"), (0, "Speaker 1"), (2, "Anna")):
        editing.revert(alice.actor, row.id, number, {"*"})
        assert labels(row)[0] == label
    assert speakers.rename(alice.actor, row.id, 0, "Anna", {"*"}).revision == 7, "nothing changed: no revision"


def test_two_speakers_are_merged_and_told_apart_again(alice: Character, row: Transcription) -> None:
    speakers.rename(alice.actor, row.id, 1, "Bob", {"0"})
    speakers.merge(alice.actor, row.id, 1, 0, {"1"})
    assert (voices(row), labels(row)) == ([0, 0, 0, 0, None], ["Speaker 1"])
    editing.revert(alice.actor, row.id, 1, {"2"})
    assert (voices(row), labels(row)) == (VOICES, ["Speaker 1", "Bob"])


def test_a_line_and_a_range_are_given_to_another_speaker_to_a_new_one_or_to_nobody(
    alice: Character, row: Transcription
) -> None:
    speakers.assign(alice.actor, row.id, 4, 4, 1, {"0"})
    speakers.assign(alice.actor, row.id, 0, 1, None, {"1"}, is_new=True)
    speakers.assign(alice.actor, row.id, 2, 3, None, {"2"})
    assert voices(row) == [2, 2, None, None, 1]
    for number, expected in ((2, [2, 2, 0, 1, 1]), (1, [0, 1, 0, 1, 1]), (0, VOICES), (3, [2, 2, None, None, 1])):
        editing.revert(alice.actor, row.id, number, {"*"})
        assert voices(row) == expected


def test_who_types_meanwhile_loses_nothing(alice: Character, row: Transcription) -> None:
    """The tags of segments stay, and a corrected segment stays its speaker's."""
    speakers.assign(alice.actor, row.id, 0, 3, 1, {"0"})
    corrected = editing.edit(alice.actor, row.id, 0, {"0.0"}, "Line nought.")
    assert (corrected.text, corrected.speaker) == (" Line nought.", 1)
    editing.split(alice.actor, row.id, 0, 5, None, {"2"})
    editing.merge(alice.actor, row.id, 1, {"3"})
    assert voices(row) == [1, 1, 1, 1, None]
    editing.revert(alice.actor, row.id, 0, {"4"})
    assert voices(row) == VOICES
    assert row.segments.get(index=0).text == " Line 0."


def test_a_revision_of_speakers_is_small(alice: Character, row: Transcription) -> None:
    speakers.merge(alice.actor, row.id, 1, 0, {"0"})
    revision = Revision.objects.get()
    assert (revision.before, revision.speakers) == ([], {"1": 1, "3": 1})
    assert revision.size < 100


def test_the_history_says_who_was_renamed_and_which_lines_went_to_whom(alice: Character, row: Transcription) -> None:
    speakers.rename(alice.actor, row.id, 0, "Ann", {"0"})
    speakers.merge(alice.actor, row.id, 1, 0, {"1"})
    speakers.rename(alice.actor, row.id, 0, "Anna", {"2"})
    row.refresh_from_db()
    state = history.current_state(row)
    told = [
        [(one.former, one.latter, one.segments) for one in change.speakers]
        for change in history.changes(row, state, history.kept_revisions(row, state))
    ]
    assert told == [[("Ann", "Anna", 0)], [("Speaker 2", "Ann", 2)], [("Speaker 1", "Ann", 0)]]


@pytest.mark.parametrize("name", ["x" * 81, "x" * 1_000_000, 5, None])
def test_what_is_no_name_is_refused(name: Any, alice: Character, row: Transcription) -> None:
    with pytest.raises(InvalidOption):
        speakers.rename(alice.actor, row.id, 0, name, {"*"})


def test_a_name_turns_nothing_around(alice: Character, row: Transcription) -> None:
    speakers.rename(alice.actor, row.id, 0, "\u202eAn\x00n\u2028a\u200b", {"*"})
    assert labels(row)[0] == "Ann a"


def test_what_is_not_there_is_not_found(alice: Character, row: Transcription) -> None:
    with pytest.raises(Http404):
        speakers.rename(alice.actor, row.id, 7, "Ann", {"*"})
    with pytest.raises(InvalidOption):
        speakers.merge(alice.actor, row.id, 0, 7, {"*"})
    for first, last in ((3, 9), (3, 2)):
        with pytest.raises(Http404):
            speakers.assign(alice.actor, row.id, first, last, 0, {"*"})


def test_bob_sees_speakers_and_changes_none_and_mallory_finds_nothing(
    alice: Character, bob: Character, mallory: Character, row: Transcription
) -> None:
    assert len(speakers.speakers(bob.actor, row.id)[1]) == 2
    with pytest.raises(PermissionDenied):
        speakers.rename(bob.actor, row.id, 0, "Bob", {"*"})
    with scope.bound(mallory.tenant.id), pytest.raises(Http404):
        speakers.rename(mallory.actor, row.id, 0, "Mallory", {"*"})
    with scope.bound(mallory.tenant.id), pytest.raises(Http404):
        speakers.speakers(mallory.actor, row.id)

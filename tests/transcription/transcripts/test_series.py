"""Finding and replacing in many transcripts at once."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404
from django.utils import timezone

from tenants import scope
from tenants.models import AuditEntry, Role, Tenant
from tests.conftest import Character, create_member, create_tenant
from tests.portal.web.conftest import make_transcription
from tests.race import at_once
from transcription.errors import InvalidOption
from transcription.library import recordings
from transcription.library.filters import EVERYTHING, Filter
from transcription.models import Revision, Segment, Status, Transcription
from transcription.search import index_recording
from transcription.transcripts import editing, series, terms
from transcription.transcripts.series import Outcome, Target
from transcription.transcripts.substitution import Search

pytestmark = pytest.mark.django_db
TEXTS = ("Good morning.", "There are <b>two</b> risks.")
MORNING = Search("morning", "evening")


@pytest.fixture(autouse=True)
def calm(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is slow."""
    monkeypatch.setattr(series, "SECONDS", 60.0)


def make(tenant: Tenant, name: str) -> Transcription:
    row = make_transcription(tenant, name, text=" ".join(TEXTS))
    with scope.bound(tenant.id), transaction.atomic():
        index_recording(row.recording_id)
    return row


def texts(row: Transcription) -> tuple[str, ...]:
    return tuple(one.text.strip() for one in Segment.objects.filter(transcription=row))


def targets(rows: Sequence[Transcription], revision: int = 0) -> list[Target]:
    return [Target(row.id, revision) for row in rows]


@pytest.fixture
def three(alice: Character, within: None) -> list[Transcription]:
    return [make(alice.tenant, f"Meeting {number}.mp3") for number in range(3)]


def replaced(alice: Character, rows: Sequence[Transcription]) -> UUID:
    made = uuid4()
    outcomes = series.replace(alice.actor, MORNING, targets(rows), made)
    assert outcomes == [(row.id, Outcome.REPLACED) for row in rows]
    return made


def test_what_stands_in_several_is_shown_by_recording_newest_first(
    alice: Character, three: list[Transcription]
) -> None:
    make_transcription(alice.tenant, "No text.mp3", text_deleted_at=timezone.now())
    recordings.delete(alice.actor, three[0].recording_id)
    again = Transcription.objects.create(
        tenant=alice.tenant, recording=three[1].recording, model="base", status=Status.RUNNING
    )
    seen = series.preview(alice.actor, EVERYTHING, Search("o", "0", match_case=True), original=True)
    assert [(one.row.recording.name, one.total) for one in seen.found] == [("Meeting 2.mp3", 4), ("Meeting 1.mp3", 4)]
    assert again.id not in {one.row.id for one in seen.found}, "what is being transcribed again has its former text"
    hit = seen.found[0].hits[0]
    assert (hit.segment, hit.position, hit.before, hit.found, hit.after) == (0, 1, "G", "o", "od morning.")
    assert (hit.replacement, seen.looked, seen.cursor) == ("0", 3, None)
    only = series.preview(alice.actor, Filter(search="Meeting 1"), Search("o"), shown=0, original=True)
    assert [(one.row.id, one.hits, one.total) for one in only.found] == [(three[1].id, [], 4)]
    told = AuditEntry.objects.filter(action="transcript.searched").order_by("id")[0]
    assert told.details["transcriptions"] == [str(row.id) for row in (three[2], three[1])]


def test_a_call_takes_its_time_and_says_where_to_go_on(
    alice: Character, three: list[Transcription], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series, "SECONDS", 0.0)
    found, cursor = [], None
    for _call in range(4):
        seen = series.preview(alice.actor, EVERYTHING, MORNING, cursor, original=True)
        found += [one.row.id for one in seen.found]
        cursor = seen.cursor
    assert (found, cursor) == ([row.id for row in reversed(three)], None)
    made = uuid4()
    for left in (three, three[1:], three[2:]):
        assert series.replace(alice.actor, MORNING, targets(left), made) == [(left[0].id, Outcome.REPLACED)]
    assert [series.undo(alice.actor, made).left for _call in three] == [2, 1, 0]
    assert {texts(row) for row in three} == {TEXTS}


def test_what_is_ticked_is_one_revision_in_each_and_is_undone_as_a_whole(
    alice: Character, three: list[Transcription]
) -> None:
    made, rule = uuid4(), Search("o", "0", match_case=True)
    places = [Target(three[0].id, 0, {(0, 1), (1, 15)}), Target(three[1].id, 0)]
    assert series.replace(alice.actor, rule, places, made) == [(row.id, Outcome.REPLACED) for row in three[:2]]
    assert texts(three[0]) == ("Go0d m0rning.", TEXTS[1])
    assert texts(three[1]) == ("G00d m0rning.", "There are <b>tw0</b> risks.")
    assert texts(three[2]) == TEXTS
    [listed] = series.recent(alice.actor)
    assert (listed.id, listed.action, listed.author) == (made, "substitute", str(alice.user))
    assert (listed.transcripts, listed.undone, listed.undoable, listed.kept) == (2, 0, 2, 0)
    told = AuditEntry.objects.filter(action="transcript.corrected")
    assert {one.details["series"] for one in told} == {str(made)}

    assert vars(series.undo(alice.actor, made)) == {"undone": 2, "left": 0}
    assert {texts(row) for row in three} == {TEXTS}
    assert vars(series.undo(alice.actor, made)) == {"undone": 0, "left": 0}
    [listed] = series.recent(alice.actor)
    assert (listed.transcripts, listed.undone, listed.undoable, listed.kept) == (2, 2, 0, 0)
    assert Revision.objects.filter(series=None).count() == 0


def test_what_somebody_changed_since_is_left_alone_when_replacing_and_when_undoing(
    alice: Character, three: list[Transcription]
) -> None:
    editing.edit(alice.actor, three[0].id, 1, {"*"}, text="One morning more.")
    made = uuid4()
    outcomes = series.replace(alice.actor, MORNING, targets(three), made)
    assert [outcome for _id, outcome in outcomes] == [Outcome.STALE, Outcome.REPLACED, Outcome.REPLACED]
    assert texts(three[0]) == (TEXTS[0], "One morning more.")
    editing.edit(alice.actor, three[1].id, 1, {"*"}, text="Mine.")
    assert vars(series.undo(alice.actor, made)) == {"undone": 1, "left": 0}
    assert (texts(three[1]), texts(three[2])) == (("Good evening.", "Mine."), TEXTS)
    assert series.recent(alice.actor)[0].kept == 1


def test_what_is_sent_again_after_a_lost_answer_is_done_once(alice: Character, three: list[Transcription]) -> None:
    made = replaced(alice, three)
    editing.edit(alice.actor, three[0].id, 1, {"*"}, text="Mine.")
    assert {outcome for _id, outcome in series.replace(alice.actor, MORNING, targets(three), made)} == {"replaced"}
    assert [Transcription.objects.get(id=row.id).revision for row in three] == [2, 1, 1]


def test_a_series_has_one_revision_of_a_transcript_so_that_all_of_it_can_be_undone(
    alice: Character, three: list[Transcription]
) -> None:
    made = replaced(alice, three)
    again = series.replace(alice.actor, Search("two", "three"), targets(three, 1), made)
    assert {outcome for _row, outcome in again} == {Outcome.STALE}
    assert series.undo(alice.actor, made) == series.Undone(3, 0)
    assert [texts(row) for row in three] == [TEXTS] * 3


def test_what_can_t_be_done_says_why_and_the_others_go_on(alice: Character, three: list[Transcription]) -> None:
    editing.edit(alice.actor, three[0].id, 0, {"*"}, text="morning " * 600)
    recordings.delete(alice.actor, three[1].recording_id)
    wanted = [Target(three[0].id, 1), *targets(three[1:]), Target(uuid4(), 0)]
    outcomes = series.replace(alice.actor, Search("morning", "evening and night"), wanted, uuid4())
    assert [outcome for _id, outcome in outcomes] == ["too_long", "gone", "replaced", "gone"]
    assert series.replace(alice.actor, Search("morning", "x"), targets(three[2:], 1), uuid4())[0][1] == "unchanged"


def test_viewers_look_and_change_nothing_and_strangers_find_nothing(
    alice: Character, bob: Character, mallory: Character, three: list[Transcription]
) -> None:
    assert len(series.preview(bob.actor, EVERYTHING, MORNING, original=True).found) == 3
    made = replaced(alice, three[:1])
    for forbidden in (lambda: series.replace(bob.actor, MORNING, targets(three[1:]), made),
                      lambda: series.undo(bob.actor, made)):  # fmt: skip
        with pytest.raises(PermissionDenied):
            forbidden()
    with scope.bound(mallory.tenant.id):
        assert series.preview(mallory.actor, EVERYTHING, MORNING, original=True).found == []
        assert series.replace(mallory.actor, MORNING, targets(three[1:]), made)[0][1] == Outcome.GONE
        assert series.recent(mallory.actor) == []
        with pytest.raises(Http404):
            series.undo(mallory.actor, made)
    assert {texts(row) for row in three[1:]} == {TEXTS}


def test_terms_are_previewed_in_old_transcripts_and_replaced_as_they_were_seen(
    alice: Character, three: list[Transcription]
) -> None:
    risk = terms.create(alice.actor, "Risk", ["risk", "risks"])
    rule = terms.Correction.in_sight(alice.actor)
    seen = series.preview(alice.actor, EVERYTHING, rule, original=True)
    assert [(hit.found, hit.replacement) for one in seen.found for hit in one.hits] == [("risks", "Risk")] * 3
    made = uuid4()
    series.replace(alice.actor, terms.correction(alice.actor, rule.tag), targets(three[:2]), made)
    assert [texts(row)[1] for row in three] == ["There are <b>two</b> Risk."] * 2 + [TEXTS[1]]
    [listed] = series.recent(alice.actor)
    assert (listed.action, listed.author) == ("terms", str(alice.user))
    left = series.preview(alice.actor, EVERYTHING, rule, original=True).found
    assert [one.row.id for one in left] == [three[2].id], "a term that stands there as it is to be written is no hit"
    terms.change(alice.actor, risk.id, {"text": "Danger"})
    with pytest.raises(InvalidOption, match="changed meanwhile"):
        terms.correction(alice.actor, rule.tag)
    series.undo(alice.actor, made)
    assert {texts(row) for row in three} == {TEXTS}


@pytest.mark.django_db(transaction=True)
def test_of_six_who_replace_the_same_each_transcript_has_one() -> None:
    alice = create_member(create_tenant("Busy"), "alice@busy.example", Role.OWNER)
    rows = [make(alice.tenant, f"{number}.mp3") for number in range(3)]
    actor = alice.actor

    def attempt(number: int) -> list[str]:
        with scope.bound(alice.tenant.id):
            wanted = targets(rows if number % 2 else rows[::-1])
            return [outcome for _id, outcome in series.replace(actor, MORNING, wanted, uuid4())]

    outcomes = [outcome for one in at_once(6, attempt) for outcome in one]
    assert (outcomes.count("replaced"), outcomes.count("stale")) == (3, 15)
    with scope.bound(alice.tenant.id):
        assert {texts(row)[0] for row in rows} == {"Good evening."}
        assert Revision.objects.count() == 3

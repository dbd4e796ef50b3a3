from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.http import Http404

from tenants import scope
from tests.conftest import Character
from tests.portal.web.conftest import make_transcription
from transcription.errors import InvalidOption
from transcription.library import recordings, tags
from transcription.library.filters import Filter
from transcription.models import Recording, Tag, Tagging

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("within")]


@pytest.fixture
def meeting(alice: Character) -> Recording:
    return make_transcription(alice.tenant, "meeting.mp3").recording


@pytest.fixture
def clip(alice: Character) -> Recording:
    return make_transcription(alice.tenant, "clip.mp3").recording


def found(who: Character, **conditions: Any) -> set[str]:
    return {row.name for row in recordings.recordings(who.actor, Filter(**conditions))}


def names(row: Recording) -> list[str]:
    return [tag.name for tag in row.tags]


def test_a_tag_is_made_where_it_is_used_and_found_in_any_case(
    alice: Character, meeting: Recording, clip: Recording
) -> None:
    tags.put(alice.actor, meeting.id, "  Board   room ")
    tags.put(alice.actor, clip.id, "BOARD ROOM")
    tags.put(alice.actor, meeting.id, "ＢＵＤＧＥＴ")
    assert (names(meeting), names(clip)) == (["Board room", "ＢＵＤＧＥＴ"], ["Board room"])
    assert found(alice, tag="board room") == {"meeting.mp3", "clip.mp3"}
    assert found(alice, tag="board room, budget") == found(alice, search="budg") == {"meeting.mp3"}
    assert found(alice, tag="boar") == found(alice, tag="\x00") == set()
    tags.take(alice.actor, meeting.id, tags.visible(alice.actor).get(name="Board room").id)
    assert found(alice, tag="Board room") == {"clip.mp3"}


@pytest.mark.parametrize("name", ["", "  ", "a,b", "a，b", "x" * 41, "\u202e", "\u200b", "\x00", "ﷺ" * 40])
def test_a_name_is_seen_and_has_no_comma(name: str, alice: Character, meeting: Recording) -> None:
    with pytest.raises(InvalidOption):
        tags.put(alice.actor, meeting.id, name)
    assert not Tag.objects.exists()


def test_a_name_turns_nobody_s_text_around(alice: Character, meeting: Recording) -> None:
    assert tags.put(alice.actor, meeting.id, "\u202e<b>gnp.exe\u2069").name == "<b>gnp.exe"


def test_there_are_limits(
    alice: Character, meeting: Recording, clip: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tags, "MOST_TAGS", 3)
    monkeypatch.setattr(tags, "MOST_ON_ONE", 2)
    for name in ("one", "two"):
        tags.put(alice.actor, meeting.id, name)
    with pytest.raises(InvalidOption, match="at most 2"):
        tags.put(alice.actor, meeting.id, "three")
    assert not tags.visible(alice.actor).filter(name="three").exists()
    three, _is_new = tags.create(alice.actor, "three")
    assert tags.put_on_many(alice.actor, three, [meeting.id, clip.id]) == {meeting.id}
    assert names(clip) == ["three"]
    with pytest.raises(InvalidOption, match="3 tags"):
        tags.put(alice.actor, clip.id, "four")
    assert tags.put(alice.actor, meeting.id, "ONE").name == "one", "it has that one"


def test_a_renamed_tag_stays_on_its_recordings_and_takes_no_other_s_name(alice: Character, meeting: Recording) -> None:
    tag, other = (tags.put(alice.actor, meeting.id, name) for name in ("Talks", "Board"))
    assert tags.change(alice.actor, tag.id, "TALKS", 5).colour == 5
    with pytest.raises(InvalidOption, match="Merge"):
        tags.change(alice.actor, tag.id, "board")
    with pytest.raises(InvalidOption):
        tags.change(alice.actor, other.id, colour=8)
    assert names(meeting) == ["Board", "TALKS"]


def test_merging_and_deleting_leave_the_recordings(
    alice: Character, meeting: Recording, clip: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tags, "BATCH", 1)
    for row in (meeting, clip):
        tags.put(alice.actor, row.id, "talk")
    tag, into = Tag.objects.get(), tags.put(alice.actor, meeting.id, "Talks")
    recordings.delete(alice.actor, clip.id)
    with pytest.raises(InvalidOption):
        tags.merge(alice.actor, tag.id, tag.id)
    tags.merge(alice.actor, tag.id, into.id)
    recordings.restore(alice.actor, clip.id)
    assert names(meeting) == names(clip) == ["Talks"], "also what was hidden meanwhile"
    tags.delete(alice.actor, into.id)
    assert not Tag.objects.exists()
    assert found(alice) == {"meeting.mp3", "clip.mp3"}


def test_what_gets_a_tag_while_it_is_merged_away_gets_the_other_one(
    alice: Character, meeting: Recording, clip: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    tag, into = tags.put(alice.actor, meeting.id, "talk"), tags.put(alice.actor, meeting.id, "Talks")
    empty = tags._empty_some

    def empty_and_be_late(*of: Any) -> None:
        empty(*of)
        if not Tagging.objects.filter(recording=clip).exists():
            tags.put(alice.actor, clip.id, "talk")

    monkeypatch.setattr(tags, "_empty_some", empty_and_be_late)
    tags.merge(alice.actor, tag.id, into.id)
    assert names(meeting) == names(clip) == ["Talks"]


def test_a_viewer_changes_no_tag_and_mallory_finds_none(
    alice: Character, bob: Character, mallory: Character, meeting: Recording
) -> None:
    tag = tags.put(alice.actor, meeting.id, "Secret")
    changes: tuple[Callable[[], object], ...] = (
        lambda: tags.put(bob.actor, meeting.id, "x"),
        lambda: tags.take(bob.actor, meeting.id, tag.id),
        lambda: tags.change(bob.actor, tag.id, "x"),
        lambda: tags.merge(bob.actor, tag.id, tag.id),
        lambda: tags.delete(bob.actor, tag.id),
    )
    for change in changes:
        with pytest.raises(PermissionDenied):
            change()
    with scope.bound(mallory.tenant.id):
        own = make_transcription(mallory.tenant, "hers.mp3").recording
        tags.put(mallory.actor, own.id, "secret")
        assert found(mallory, tag="secret") == {"hers.mp3"}
        with pytest.raises(Http404):
            tags.take(mallory.actor, own.id, tag.id)
        with pytest.raises(Http404):
            tags.delete(mallory.actor, tag.id)
        with pytest.raises(Http404):
            tags.put(mallory.actor, meeting.id, "mine")
        with pytest.raises(Http404):
            tags.mark(mallory.actor, meeting.id, True)
    assert names(meeting) == ["Secret"]


def test_favourites_are_a_person_s_own(alice: Character, bob: Character, meeting: Recording, clip: Recording) -> None:
    for _twice in range(2):
        tags.mark(bob.actor, meeting.id, True)
    tags.mark(alice.actor, clip.id, True)
    assert (found(alice, favourite="1"), found(bob, favourite="1")) == ({"clip.mp3"}, {"meeting.mp3"})
    assert tags.favourites_among(bob.actor, [meeting, clip]) == {meeting.id}
    tags.mark(bob.actor, meeting.id, False)
    assert found(bob, favourite="1") == set()

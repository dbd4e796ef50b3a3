"""Folders, who is in them, and that nobody sees a recording that no rule grants."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pytest
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.test import Client
from django.utils import translation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tenants import api_keys, members
from tenants.access import Actor, key_actor, operator_actor
from tenants.former_members import KeyDecision
from tenants.models import KeyScope, Role, Tenant
from tests.conftest import Character, create_member
from tests.portal.web.conftest import make_transcription
from transcription import search
from transcription.errors import InvalidOption, Refused
from transcription.folders import folders
from transcription.folders.visibility import is_seen_by, people_who_see, seen
from transcription.library import moving, recordings, tags
from transcription.library.filters import NO_FOLDER, Filter
from transcription.models import Comment, Folder, FolderMember, FolderRole, Mention, Recording, Transcription
from transcription.models.tag import folded_name
from transcription.transcripts import editing

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("within")]


@pytest.fixture
def erin(acme: Tenant) -> Character:
    return create_member(acme, "erin@acme.example", Role.EDITOR)


@pytest.fixture
def meeting(alice: Character) -> Transcription:
    return make_transcription(alice.tenant, "meeting.mp3", text="Good morning.")


def key_of(tenant: Tenant, key_scope: str) -> Actor:
    key, _secret = api_keys.issue(tenant, key_scope)
    key.scope = key_scope
    return key_actor(key, "")


def names(actor: Actor, **conditions: Any) -> set[str]:
    return {row.name for row in recordings.recordings(actor, Filter(**conditions))}


def test_a_restricted_folder_is_its_members_and_each_may_there_what_both_roles_allow(
    alice: Character, bob: Character, erin: Character, meeting: Transcription
) -> None:
    board = folders.create(erin.actor, "Board", restricted=True)
    assert moving.move(erin.actor, meeting.recording_id, board) is None
    assert names(alice.actor) == names(erin.actor) == {"meeting.mp3"}
    assert names(bob.actor) == set()
    with pytest.raises(Http404):
        editing.transcript(bob.actor, meeting.id)
    folders.set_member(erin.actor, board.id, "BOB@acme.example", FolderRole.MANAGER)
    assert names(bob.actor, folder=str(board.id)) == {"meeting.mp3"}
    with pytest.raises(PermissionDenied):  # he is a viewer of the organisation
        tags.put(bob.actor, meeting.recording_id, "Mine")
    folders.set_member(alice.actor, board.id, erin.user.email, FolderRole.VIEWER)
    for refused in (
        lambda: editing.edit(erin.actor, meeting.id, 0, {"*"}, "Good night."),
        lambda: recordings.delete(erin.actor, meeting.recording_id),
        lambda: moving.move(erin.actor, meeting.recording_id, None),
        lambda: folders.set_member(erin.actor, board.id, bob.user.email, FolderRole.EDITOR),
    ):
        with pytest.raises(PermissionDenied, match="folder"):
            refused()
    folders.remove_member(bob.actor, board.id, bob.member.id)
    assert names(bob.actor) == set()
    folders.change(alice.actor, board.id, restricted=False)
    assert names(bob.actor) == {"meeting.mp3"}


def test_a_folder_is_found_by_name_and_only_deleted_when_nothing_is_in_it_or_on_its_way(
    alice: Character, erin: Character, bob: Character, meeting: Transcription
) -> None:
    talks = folders.create(erin.actor, "  Talks \u202e 2026 ")
    assert (talks.name, folders.chosen(erin.actor, "TALKS 2026"), folders.chosen(erin.actor, "")) == (
        "Talks 2026",
        talks,
        None,
    )
    for name in ("talks 2026", "My private folder", "", "x" * 81):
        with pytest.raises(InvalidOption):
            folders.create(alice.actor, name)
    with pytest.raises(InvalidOption, match="no folder"):
        folders.chosen(erin.actor, "Meetings")
    moving.move(alice.actor, meeting.recording_id, talks)
    assert names(alice.actor, folder=NO_FOLDER) == set()
    recordings.delete(erin.actor, meeting.recording_id)
    with pytest.raises(Refused, match="in the bin"):
        folders.delete(erin.actor, talks.id)
    recordings.restore(erin.actor, meeting.recording_id)
    moving.move(erin.actor, meeting.recording_id, None)
    with pytest.raises(PermissionDenied):
        folders.delete(bob.actor, talks.id)
    folders.delete(erin.actor, talks.id)
    with pytest.raises(Refused, match="deleted meanwhile"):
        moving.move(erin.actor, meeting.recording_id, talks)


def test_no_folder_is_mistaken_for_another_one(alice: Character, erin: Character, meeting: Transcription) -> None:
    board = folders.create(alice.actor, "Takeover", restricted=True)
    talks = folders.create(erin.actor, "Talks")
    own = folders.private(alice.actor)
    taken = ("takeover", "My private folder", "我的私人文件夹", "Private: alice@acme.example", str(board.id), "None")
    for name in (*taken, "TALKS"):
        with pytest.raises(InvalidOption, match="is taken"):
            folders.create(erin.actor, name)
    with pytest.raises(InvalidOption, match="is taken"):
        folders.change(erin.actor, talks.id, "Takeover")
    with translation.override("zh-hans"):
        for name in taken[1:]:
            with pytest.raises(InvalidOption):
                folders.create(erin.actor, name)
        assert folders.chosen(alice.actor, "My private folder") == own
    assert folders.chosen(alice.actor, "takeover") == folders.chosen(alice.actor, str(board.id)) == board
    Folder.objects.filter(id=talks.id).update(folded=folded_name(str(board.id)))  # as of before names were checked
    with pytest.raises(InvalidOption, match="no folder"):
        folders.chosen(erin.actor, str(board.id))


def test_nobody_puts_others_recordings_into_a_private_folder_or_is_given_one_in_vain(
    alice: Character, bob: Character, erin: Character, meeting: Transcription, client: Client
) -> None:
    own = folders.private(erin.actor)
    with pytest.raises(InvalidOption, match="no folder"):
        folders.chosen(alice.actor, str(own.id))
    with pytest.raises(InvalidOption, match="private folder"):
        moving.move(alice.actor, meeting.recording_id, folders.moved_to(alice.actor, str(own.id)))
    Recording.objects.filter(id=meeting.recording_id).update(created_by=erin.user, folder=own)
    client.force_login(alice.user)
    address = f"/recordings/{meeting.recording_id}/folder/"
    for sent, place in (("", own), (None, own), ("none", None), (str(own.id), own)):
        client.post(address, {} if sent is None else {"folder": sent})
        assert Recording.objects.get(id=meeting.recording_id).folder == place
    Recording.objects.filter(id=meeting.recording_id).update(folder=folders.private(alice.actor))
    frank = create_member(alice.tenant, "frank@acme.example", Role.EDITOR)
    client.force_login(frank.user)
    assert client.post(address, {"folder": "My private folder"}).status_code == 404
    assert not Folder.objects.filter(owner=frank.member).exists()


def test_who_may_add_nothing_any_more_as_a_file_is_taken_in_adds_nothing(alice: Character, erin: Character) -> None:
    board = folders.create(alice.actor, "Board", restricted=True)
    folders.set_member(alice.actor, board.id, erin.user.email, FolderRole.EDITOR)
    folders.require_addable(erin.actor, board)
    folders.set_member(alice.actor, board.id, erin.user.email, FolderRole.VIEWER)
    with pytest.raises(Refused, match="may add nothing"):
        folders.require_addable(erin.actor, board)
    adam = create_member(alice.tenant, "adam@acme.example", Role.ADMIN)
    folders.require_addable(adam.actor, board)
    members.change_role(alice.actor, adam.member.id, Role.EDITOR)
    with pytest.raises(Refused, match="may add nothing"):
        folders.require_addable(adam.actor, board)


def test_a_private_folder_is_made_on_first_use_and_outlives_its_person(
    alice: Character, erin: Character, bob: Character, meeting: Transcription
) -> None:
    own = folders.chosen(erin.actor, "my private folder")
    assert own is not None
    assert own == folders.private(erin.actor) != folders.private(alice.actor)
    moving.move(erin.actor, meeting.recording_id, own)
    assert folders.label(erin.actor, own) == "My private folder"
    assert folders.label(alice.actor, own) == "Private: erin@acme.example"
    assert names(erin.actor) == names(alice.actor) == {"meeting.mp3"}
    assert names(key_of(alice.tenant, KeyScope.ADMIN)) == names(bob.actor) == set()
    for refused in (
        lambda: folders.change(erin.actor, own.id, "Ours"),
        lambda: folders.set_member(erin.actor, own.id, bob.user.email, FolderRole.VIEWER),
        lambda: folders.remove_member(erin.actor, own.id, erin.member.id),
    ):
        with pytest.raises(InvalidOption, match="alone"):
            refused()
    with pytest.raises(PermissionDenied):
        folders.private(bob.actor)
    members.remove(alice.actor, erin.member.id, KeyDecision.REVOKE)
    assert names(alice.actor) == {"meeting.mp3"}
    assert not FolderMember.objects.filter(folder=own).exists()
    moving.move(alice.actor, meeting.recording_id, None)
    folders.delete(alice.actor, own.id)


@dataclass
class World:
    """Folders as (restricted, private, roles of Bob and Erin), and in which of them recordings are."""

    folders: list[tuple[bool, bool, str, str]]
    places: list[int]


ROLES = ["", *FolderRole.values]
WORLDS = st.builds(
    World,
    st.lists(st.tuples(st.booleans(), st.booleans(), st.sampled_from(ROLES), st.sampled_from(ROLES)), max_size=4),
    st.lists(st.integers(-1, 3), min_size=1, max_size=5),
)


def build(world: World, bob: Character, erin: Character) -> dict[UUID, set[str]]:
    """Makes the folders and recordings; returns who may see each recording: bob, erin, key, all."""
    tenant, made = bob.tenant, list[Folder | None]()
    for restricted, private, *roles in world.folders:
        row = Folder.objects.create(
            tenant=tenant, name="F", folded="f", restricted=restricted or private, is_private=private
        )
        for who, role in zip((bob, erin), roles, strict=True):
            if role:
                FolderMember.objects.create(tenant=tenant, folder=row, member=who.member, role=role)
        made.append(row)
    granted = dict[UUID, set[str]]()
    for place in world.places:
        one = made[place] if 0 <= place < len(made) else None
        recording = make_transcription(tenant, "word.mp3").recording
        Recording.objects.filter(id=recording.id).update(folder=one)
        search.index_recording(recording.id)
        sees = {"all"} | ({"bob", "erin", "key"} if one is None or not one.restricted else set())
        if one is not None:
            _restricted, private, *roles = world.folders[made.index(one)]
            sees |= {name for name, role in zip(("bob", "erin"), roles, strict=True) if role}
            sees |= set() if private else {"key"}
        granted[recording.id] = sees
    return granted


@given(world=WORLDS)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_each_sees_exactly_what_a_rule_grants(
    world: World, alice: Character, bob: Character, erin: Character, mallory: Character
) -> None:
    Recording.objects.all().delete()
    granted = build(world, bob, erin)
    actors = {
        "bob": bob.actor,
        "erin": erin.actor,
        "key": key_of(alice.tenant, KeyScope.READ),
        "all": alice.actor,
    }
    for name, actor in actors.items():
        expected = {row_id for row_id, sees in granted.items() if name in sees}
        assert {row.id for row in recordings.recordings(actor)} == expected, name
        hits, _cursor = search.page(actor, search.terms_of("word"), None, 50)
        assert {hit.pk for hit in hits} == expected, name
        texts = Transcription.objects.filter(seen(actor, "recording"))
        assert set(texts.values_list("recording", flat=True)) == expected
    operator = operator_actor(alice.user, alice.tenant)
    assert {row.id for row in recordings.recordings(operator)} == set(granted)
    assert not recordings.recordings(mallory.actor).exists()
    stranger = replace(bob.actor, member=None, permissions=frozenset({"recordings.view"}))
    assert not {row.id for row in recordings.recordings(stranger)} - {
        row_id for row_id, sees in granted.items() if {"bob", "erin", "key"} <= sees
    }
    for row in Recording.objects.all():
        told = {one.user_id for one in bob.tenant.members.filter(people_who_see(row.folder_id))}
        expected_people = {who.user.id for who in (bob, erin) if who.user.email.split("@")[0] in granted[row.id]}
        assert told == {alice.user.id} | expected_people
        comment = Comment.objects.create(tenant=bob.tenant, recording=row, start=0.0, end=1.0)
        for who in (alice, bob, erin):
            Mention.objects.create(tenant=bob.tenant, comment=comment, user=who.user)
        mailed = Mention.objects.filter(is_seen_by("comment__recording", "user"), comment=comment)
        assert set(mailed.values_list("user", flat=True)) == told

"""Guest comments by a link: under a name, within the excerpt, as long as the link works, and mails nobody."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from django.apps import apps
from django.core import mail
from django.db import connection
from django.http import Http404
from django.test import Client
from django.utils import timezone

from tenants import scope
from tenants.models import AuditEntry, Member, Role
from tenants.throttle import Limit
from tests.conftest import Character, create_member
from tests.portal.api.characters import bearer
from tests.portal.shared.conftest import Share, make_interview, strike
from tests.portal.shared.test_links import end_by_revoking, end_by_switching_off
from tests.race import meeting
from transcription.comments import mentions, threads
from transcription.errors import InvalidOption
from transcription.folders import folders
from transcription.models import Comment, Mention, Transcription
from transcription.shares import comments as shared_comments
from transcription.shares import links, visits
from transcription.shares import models as rows
from transcription.shares.guests import Writer

pytestmark = pytest.mark.django_db
WORDS = {"transcription": "shared", "first": 0, "position": 0, "last": 0, "until": None}


def post(client: Client, path: str, body: dict[str, Any], name: str = "Jane", visit: str = "1" * 32) -> Any:
    headers = {"X-Visit": visit, "X-Visitor": quote(name)}
    return client.post(path, json.dumps(body), "application/json", headers=headers)


def said(client: Client, path: str, text: str = "Who says that?", **more: Any) -> Comment:
    answer = post(client, f"{path}comments/", WORDS | {"text": text}, **more)
    assert answer.status_code == 200, answer.content
    with scope.across_tenants("a test looks"):
        return Comment.objects.latest("made_at")


def listed(client: Client, path: str) -> str:
    return str(client.get(f"{path}comments/").json()["html"])


def test_guest_comments_replies_and_resolves_under_the_name_that_they_gave(
    guest: Client, share: Share, alice: Character, interview: Transcription
) -> None:
    path = share(level="comment", label="For the editor")
    assert "data-comments" in guest.get(path).content.decode()
    hers = said(guest, path, "Check this. <b>", name="珍妮")
    with scope.bound(alice.tenant.id):
        answer = threads.reply(alice.actor, interview.recording_id, hers.id, "It is right.")
        assert (hers.author, hers.start, hers.end) == ("珍妮 (by link For the editor)", 0.0, 4.0)
    shown = listed(guest, path)
    assert "Check this. &lt;b&gt;" in shown
    assert ">珍妮<" in shown
    assert "For the editor" not in shown  # only the organisation reads the label
    assert ">Acme<" in shown
    assert [shown.count(f">{role}<") for role in ("guest", "of the organisation")] == [1, 1]  # whatever their names
    assert "alice" not in shown
    assert post(guest, f"{path}comments/{hers.id}/", {"do": "resolve"}).status_code == 200
    with scope.bound(alice.tenant.id):
        [row] = threads.threads(alice.actor, interview.recording_id, "resolved")
        assert row.resolver == "Jane (by link For the editor)"
        threads.resolve(alice.actor, interview.recording_id, row.id, again=True)
        entry = AuditEntry.objects.get(action="comment.created", object_id=str(hers.id))
    assert (entry.actor_kind, entry.actor_name, entry.address) == ("guest", "珍妮 (by link For the editor)", "")
    assert post(guest, f"{path}comments/{answer.id}/", {"do": "change", "text": "It is wrong."}).status_code == 403


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite lets one write after the other")
@pytest.mark.django_db(transaction=True)
def test_two_sweepers_that_take_one_mention_in_the_same_moment_mail_it_once(
    alice: Character, bob: Character, interview: Transcription
) -> None:
    with scope.bound(alice.tenant.id):
        threads.comment(alice.actor, interview.recording_id, 0.0, 1.0, "@bob@acme.example look")
        Mention.objects.update(made_at=timezone.now() - timedelta(minutes=1))
        assert sorted(meeting(Member.objects.filter(user=bob.user), 2, mentions.send_due)) == [0, 1]
    assert len(mail.outbox) == 1


def test_a_visit_changes_its_own_and_deletes_what_nobody_answered(
    guest: Client, share: Share, alice: Character, interview: Transcription
) -> None:
    path = share(level="comment")
    hers, other = said(guest, path), "2" * 32
    address = f"{path}comments/{hers.id}/"
    assert post(guest, address, {"do": "change", "text": "Another one"}, visit=other).status_code == 403
    assert post(guest, address, {"do": "delete"}, visit=other).status_code == 403
    assert post(guest, address, {"do": "change", "text": "Who was that?"}).status_code == 200
    with scope.bound(alice.tenant.id):
        answer = threads.reply(alice.actor, interview.recording_id, hers.id, "Jane.")
        assert post(guest, address, {"do": "delete"}).status_code == 403
        threads.delete(alice.actor, interview.recording_id, answer.id)
        assert post(guest, address, {"do": "delete"}).status_code == 200
        assert not Comment.objects.exists()


def test_only_a_link_that_says_so_takes_comments_and_asks_for_a_name(guest: Client, share: Share) -> None:
    looks, comments = share(), share(level="comment")
    assert "data-comments" not in guest.get(looks).content.decode()
    assert guest.get(f"{looks}comments/").status_code == 404
    assert post(guest, f"{looks}comments/", WORDS | {"text": "Hello"}).status_code == 404
    for name in (" ", "x" * 61, "Jane\u202e", "Jane" + "\u0335" * 3):
        answer = post(guest, f"{comments}comments/", WORDS | {"text": "Hello"}, name=name)
        assert answer.status_code == 400


def test_a_link_that_asks_for_a_password_takes_no_comments_before_it(guest: Client, share: Share) -> None:
    path = share(level="comment", password="winter morning")
    assert guest.get(f"{path}comments/").status_code == 404
    assert post(guest, f"{path}comments/", WORDS | {"text": "Hello"}).status_code == 404
    guest.post(path, {"password": "winter morning"})
    said(guest, path)


@pytest.mark.parametrize("end", [end_by_revoking, end_by_switching_off])
def test_nothing_is_written_by_a_link_that_ended_even_just_now(
    guest: Client, share: Share, alice: Character, end: Callable[[Character, rows.Share], None]
) -> None:
    path = share(level="comment")
    said(guest, path)
    found = visits.find(path.split("/")[2])
    assert found is not None
    with scope.bound(alice.tenant.id):
        end(alice, rows.Share.objects.get())
        with pytest.raises(Http404):
            shared_comments.comment(found, Writer("Jane", uuid4()), (1.0, 2.0), "Too late", 0)
        assert Comment.objects.count() == 1
    assert post(guest, f"{path}comments/", WORDS | {"text": "Too late"}).status_code == 404


def test_an_excerpt_shows_and_takes_comments_on_its_passage_alone(
    guest: Client, share: Share, alice: Character, interview: Transcription
) -> None:
    path = share(level="comment", start=4.0, end=8.0)
    with scope.bound(alice.tenant.id):
        before = threads.comment(alice.actor, interview.recording_id, 0.0, 2.0, "Before it")
        threads.comment(alice.actor, interview.recording_id, 5.0, 6.0, "Within it")
        threads.comment(alice.actor, interview.recording_id, 7.0, 9.0, "Across its end")
    hers = said(guest, path, "All of it")
    assert (hers.start, hers.end) == (4.0, 8.0)
    body = guest.get(f"{path}comments/").json()
    assert "Within it" in body["html"]
    assert "Before it" not in body["html"]
    assert "Across its end" not in body["html"]
    assert [(one["start"], one["end"]) for one in body["marks"]] == [(0.0, 4.0), (1.0, 2.0)]
    for attempt in ({"parent": str(before.id), "text": "Hm"}, {"start": 5.0, "end": 7.0, "text": "Later"}):
        assert post(guest, f"{path}comments/", attempt).status_code in (400, 404)
    for do in ("resolve", "change", "delete"):
        assert post(guest, f"{path}comments/{before.id}/", {"do": do, "text": "x"}).status_code == 404


def test_what_anybody_says_of_struck_words_is_not_shown(
    guest: Client, share: Share, alice: Character, interview: Transcription
) -> None:
    path = share(level="comment")
    with scope.bound(alice.tenant.id):
        row = threads.comment(alice.actor, interview.recording_id, 1.0, 2.0, "bravo is a name")
    hers = said(guest, path, "Take out bravo, please")
    later = WORDS | {"first": 1, "last": 1, "text": "Of another line"}
    assert post(guest, f"{path}comments/", later).status_code == 200
    strike(alice, interview, 1.0, 2.0)
    for shown in (listed(guest, path), listed(guest, share(level="comment"))):
        assert "bravo" not in shown
        assert "Of another line" in shown
    for one in (row, hers):
        assert post(guest, f"{path}comments/", {"parent": str(one.id), "text": "Hm"}).status_code == 404


def test_guest_mentions_nobody_and_sees_nobody_s_address(
    guest: Client, share: Share, alice: Character, bob: Character, interview: Transcription
) -> None:
    path = share(level="comment")
    said(guest, path, "@bob@acme.example look")
    with scope.bound(alice.tenant.id):
        assert not Mention.objects.exists()
        threads.comment(alice.actor, interview.recording_id, 5.0, 6.0, "@bob@acme.example, is it?")
    answer = guest.get(f"{path}comments/").json()
    assert answer["people"] == []
    assert "@…, is it?" in answer["html"]
    assert mentions.send_due() == 0
    assert not mail.outbox


def test_a_link_reaches_no_other_recording(
    guest: Client, share: Share, alice: Character, interview: Transcription
) -> None:
    path, other = share(level="comment"), make_interview(alice)
    with scope.bound(alice.tenant.id):
        row = threads.comment(alice.actor, other.recording_id, 1.0, 2.0, "Of another one")
    assert "Of another one" not in listed(guest, path)
    for attempt in ("resolve", "open", "delete"):
        assert post(guest, f"{path}comments/{row.id}/", {"do": attempt}).status_code == 404
    assert post(guest, f"{path}comments/", {"parent": str(row.id), "text": "Hm"}).status_code == 404
    assert post(guest, f"{path}comments/{uuid4()}/", {"do": "resolve"}).status_code == 404


def test_a_link_gives_no_more_than_its_maker_may_do(
    guest: Client, share: Share, alice: Character, interview: Transcription
) -> None:
    adam = create_member(alice.tenant, "adam@acme.example", Role.EDITOR)
    path = share(adam, level="comment")
    said(guest, path)
    with scope.bound(alice.tenant.id):
        folder = folders.create(alice.actor, "Board", restricted=True)
        interview.recording.folder = folder
        interview.recording.save(update_fields=["folder"])
    assert guest.get(path).status_code == 200  # whether it is still shown was decided when it was moved
    assert guest.get(f"{path}comments/").status_code == 404
    assert post(guest, f"{path}comments/", WORDS | {"text": "Hello"}).status_code == 404
    with scope.bound(alice.tenant.id):
        links.keep(alice.actor, rows.Share.objects.get().id)
    said(guest, path)


def test_how_much_guests_write_is_limited(
    guest: Client, share: Share, alice: Character, interview: Transcription, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = share(level="comment")
    monkeypatch.setattr(threads, "MOST_OF_GUESTS", 1)
    said(guest, path)
    assert post(guest, f"{path}comments/", WORDS | {"text": "One more"}).status_code == 409
    with scope.bound(alice.tenant.id):
        threads.comment(alice.actor, interview.recording_id, 1.0, 2.0, "Members go on")
    answers = [post(guest, f"{path}comments/", {}).status_code for _ in range(60)]
    assert answers[-1] == 429


def test_a_link_writes_no_faster_from_many_addresses(
    guest: Client, share: Share, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visits, "ALL_WRITINGS", Limit("what is written in this test", 2, 600))
    path = share(level="comment")
    address = f"{path}comments/{said(guest, path).id}/"
    answers = [
        post(Client(REMOTE_ADDR=f"198.51.100.{at}"), address, {"do": do}) for at, do in enumerate(("resolve", "open"))
    ]
    assert [one.status_code for one in answers] == [200, 429]
    assert "too much at once" in answers[1].json()["error"]["message"]


def test_an_owner_deletes_all_that_one_guest_or_a_link_has_written(
    guest: Client, share: Share, alice: Character, bob: Character, interview: Transcription
) -> None:
    path, other = share(level="comment", label="Press"), share(level="comment", label="Board")
    for name in ("Jane", "Jane", "Jöns <b>"):
        said(guest, path, f"By {name}", name=name)
    kept = said(guest, other, "By the other link")
    with scope.bound(alice.tenant.id):
        row = rows.Share.objects.get(label="Press")
        first = Comment.objects.filter(guest_name="Jane", link=row.id).order_by("made_at")[0]
        threads.reply(bob.actor, interview.recording_id, first.id, "It is so.")
        mine = threads.comment(alice.actor, interview.recording_id, 1.0, 2.0, "Ours")
    said_to_us = post(guest, f"{path}comments/", {"parent": str(mine.id), "text": "And to yours"}, name="Jöns <b>")
    assert said_to_us.status_code == 200
    owner, page = Client(), f"/shares/{row.id}/"
    owner.force_login(alice.user)
    shown = owner.get(page).content.decode()
    assert all(part in shown for part in ("Jöns &lt;b&gt;", "2 comments · 1 answer of others", "Delete all"))
    answer = owner.post(f"{page}comments/delete/", {"guest": "Jane"}, follow=True).content.decode()
    assert "3 comments were deleted." in answer
    assert "Jane" not in answer
    assert "By Jane" not in listed(guest, path)
    api = f"/api/v1/recordings/{interview.recording_id}/shares/{row.id}/comments"
    assert guest.delete(f"{api}?guest=", headers=bearer(alice, "write")).json()["param"] == "guest"
    assert guest.delete(f"{api}?guest=Nobody", headers=bearer(alice, "write")).json() == {"deleted": 0}
    owner.post(f"{page}comments/delete/")
    with scope.bound(alice.tenant.id):
        assert set(Comment.objects.values_list("id", flat=True)) == {kept.id, mine.id}
        told = AuditEntry.objects.filter(action="comment.all_deleted").order_by("id")
        assert [(one.object_id, one.details.get("name"), one.details["comments"]) for one in told] == [
            (str(row.id), "Jane", 3),
            (str(row.id), None, 2),
        ]
    said(guest, path, "The link goes on")


def test_earlier_comments_are_told_their_links_by_the_audit_log(
    guest: Client, share: Share, alice: Character, interview: Transcription
) -> None:
    path = share(level="comment")
    row = said(guest, path, "By a guest")
    with scope.bound(alice.tenant.id):
        ours = threads.comment(alice.actor, interview.recording_id, 1.0, 2.0, "Ours")
        Comment.objects.update(link=None)
    with scope.across_tenants("a migration has no tenant"):
        import_module("transcription.migrations.0041_links_of_earlier_comments").say_by_which_link(apps, None)
    with scope.bound(alice.tenant.id):
        assert Comment.objects.get(id=row.id).link == rows.Share.objects.get().id
        assert Comment.objects.get(id=ours.id).link is None


@pytest.mark.parametrize("level", ["comment", "edit"])
def test_a_link_that_lets_people_write_is_in_no_other_site_s_page(share: Share, level: str) -> None:
    with pytest.raises(InvalidOption, match="everybody who sees that site"):
        share(level=level, origins=["https://acme.example"])

"""Guest corrects lines by a link: those that it shows whole, under a name, and the organisation can undo it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client
from django.utils import timezone

from tenants import scope
from tenants.models import AuditEntry, Maintenance, Tenant
from tenants.throttle import Limit
from tests.conftest import Character
from tests.portal.shared.conftest import Share, strike
from tests.portal.shared.test_comments import WORDS, post, said
from transcription.models import Revision, Segment, Transcription
from transcription.shares import corrections, links
from transcription.shares import models as rows
from transcription.strikes import MASK
from transcription.transcripts import checks, editing, revisions
from transcription.transcripts.revisions import ANY

pytestmark = pytest.mark.django_db


def end_by_maintenance(alice: Character) -> None:
    Maintenance.objects.create()


def end_by_announcing(alice: Character) -> None:
    Tenant.objects.filter(id=alice.tenant.id).update(suspended_from=timezone.now() + timedelta(days=1))


def tags(client: Client, path: str) -> list[str]:
    """Returns the tags of the lines that can be corrected."""
    return re.findall(r'data-etag="(\w+)"', client.get(path).content.decode())


def correct(client: Client, path: str, index: int, tag: str, text: str = "Corrected.", name: str = "Jane") -> Any:
    headers = {"X-Visit": "1" * 32, "X-Visitor": quote(name)}
    body = json.dumps({"text": text, "etag": tag, "start": 4.0 * index})
    return client.post(f"{path}lines/{index}/", body, "application/json", headers=headers)


def text_of(row: Transcription) -> list[str]:
    with scope.bound(row.tenant_id):
        return [one.text.strip() for one in Segment.objects.filter(transcription=row).order_by("index")]


def test_guest_corrects_a_line_and_alice_takes_it_back(
    guest: Client, share: Share, alice: Character, interview: Transcription
) -> None:
    path = share(level="edit", label="For the editor")
    before = text_of(interview)
    saved = correct(guest, path, 1, tags(guest, path)[1], "Echo <b>foxtrot</b>.").json()
    assert "Echo &lt;b&gt;foxtrot&lt;/b&gt;." in saved["change"]["lines"]
    assert text_of(interview)[1] == "Echo <b>foxtrot</b>."
    with scope.bound(alice.tenant.id):
        [revision] = Revision.objects.all()
        assert revision.author == "Jane (by link For the editor)"
        entry = AuditEntry.objects.get(action="transcript.corrected")
        assert (entry.actor_kind, entry.actor_name) == ("guest", "Jane (by link For the editor)")
        interview.refresh_from_db()
        assert "Jane (by link For the editor)" in dict(checks.checked(interview).by)
        editing.revert(alice.actor, interview.id, 0, {ANY})
    assert text_of(interview) == before
    again = correct(guest, path, 1, saved["etag"], "Once more")
    assert again.status_code == 412
    assert again.json()["now"]["text"] == before[1]
    assert correct(guest, path, 1, again.json()["now"]["etag"], "Once more").status_code == 200


def test_only_a_link_that_says_so_corrects_and_asks_for_a_name(
    guest: Client, share: Share, interview: Transcription
) -> None:
    before, tag = text_of(interview), tags(guest, share(level="edit"))[0]
    for path in (share(), share(level="comment")):
        assert tags(guest, path) == []
        assert correct(guest, path, 0, tag).status_code == 404
    path = share(level="edit")
    assert correct(guest, path, 0, tags(guest, path)[0], name="").status_code == 400
    assert correct(guest, path, 0, tags(guest, path)[0], text=" ").status_code == 400
    assert correct(guest, path, 0, tag).status_code == 412  # of another link
    assert correct(guest, path, 7, tag).status_code == 409
    assert text_of(interview) == before


def test_a_line_that_went_elsewhere_is_not_told_as_another_version_of_this_one(
    guest: Client, share: Share, alice: Character, interview: Transcription
) -> None:
    path = share(level="edit")
    tag = tags(guest, path)[1]
    with scope.bound(alice.tenant.id):
        editing.remove(alice.actor, interview.id, 0, {ANY})
    answer = correct(guest, path, 1, tag)
    assert (answer.status_code, "now" in answer.json()) == (409, False)
    assert text_of(interview) == ["Echo foxtrot golf hotel.", "India juliett kilo lima."]


def test_an_excerpt_takes_corrections_of_its_whole_lines_alone(
    guest: Client, share: Share, interview: Transcription
) -> None:
    path = share(level="edit", start=2.0, end=8.0)
    [tag] = tags(guest, path)
    assert correct(guest, path, 0, tag).status_code == 403
    assert correct(guest, path, 1, tag, "The middle").status_code == 200
    assert text_of(interview) == ["Alfa bravo charlie delta.", "The middle", "India juliett kilo lima."]


def test_lines_with_struck_words_are_the_organisation_s(
    guest: Client, share: Share, alice: Character, interview: Transcription
) -> None:
    path = share(level="edit")
    tag = tags(guest, path)[0]
    strike(alice, interview, 1.0, 2.0)
    assert len(tags(guest, path)) == 2
    answer = correct(guest, path, 0, tag, f"Alfa {MASK} Charlie delta.")
    assert answer.status_code == 403
    assert "bravo" not in answer.content.decode()
    assert text_of(interview)[0] == "Alfa bravo charlie delta."


def test_it_ends_with_the_link_and_leaves_the_history_whole(
    guest: Client, share: Share, alice: Character, interview: Transcription, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corrections, "OF_A_DAY", Limit("corrections in this test", 1, 86_400))
    path = share(level="edit")
    assert correct(guest, path, 0, tags(guest, path)[0]).status_code == 200
    assert correct(guest, path, 0, tags(guest, path)[0], "Once more").status_code == 429
    tag = tags(guest, path)[0]
    with scope.bound(alice.tenant.id):
        links.revoke(alice.actor, rows.Share.objects.get().id)
    assert correct(guest, path, 0, tag, "Too late").status_code == 404
    assert text_of(interview)[0] == "Corrected."


@pytest.mark.parametrize(("limit", "most"), [("MAX_REVISIONS", 2), ("MAX_KEPT_OF_GUESTS", 3000)])
def test_guests_never_push_out_what_members_corrected(
    guest: Client,
    share: Share,
    alice: Character,
    interview: Transcription,
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    most: int,
) -> None:
    monkeypatch.setattr(revisions, limit, most)
    path = share(level="edit")
    with scope.bound(alice.tenant.id):
        editing.edit(alice.actor, interview.id, 0, {ANY}, "What Alice heard.")
    for text in ("中" * 20, "国" * 20, "人" * 20):
        answer = correct(guest, path, 0, tags(guest, path)[0], text)
    assert (answer.status_code, answer.json()["error"]["message"][:12]) == (409, "So much of t")
    with scope.bound(alice.tenant.id):
        editing.edit(alice.actor, interview.id, 1, {ANY}, "And here.")
        editing.revert(alice.actor, interview.id, 1, {ANY})
    assert text_of(interview)[0] == "What Alice heard."


def test_what_is_saved_as_it_was_counts_for_nothing_and_a_line_that_was_told_counts_as_opened(
    guest: Client, share: Share, alice: Character, interview: Transcription, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = share(level="edit")
    assert "Alfa" in correct(guest, path, 0, "x").json()["now"]["text"]
    with scope.bound(alice.tenant.id):
        assert rows.Share.objects.get().openings == 1
        opened = AuditEntry.objects.get(action="share.opened")
    monkeypatch.setattr(corrections, "OF_A_DAY", Limit("corrections in this test", 1, 86_400))
    for _ in range(2):
        assert correct(guest, path, 0, tags(guest, path)[0], "Alfa bravo charlie delta.").status_code == 200
    assert correct(guest, path, 0, tags(guest, path)[0]).status_code == 200
    with scope.bound(alice.tenant.id):
        entry = AuditEntry.objects.get(action="transcript.corrected")
        assert entry.details["visitor"] == opened.details["visitor"]


@pytest.mark.parametrize(("ends", "status"), [(end_by_maintenance, 503), (end_by_announcing, 403)])
def test_nothing_is_written_by_links_while_nobody_changes_anything(
    guest: Client,
    share: Share,
    alice: Character,
    interview: Transcription,
    ends: Callable[[Character], None],
    status: int,
) -> None:
    path = share(level="edit")
    tag = tags(guest, path)[0]
    hers = said(guest, path)
    ends(alice)
    answer = correct(guest, path, 0, tag)
    assert (answer.status_code, "Retry-After" in answer) == (status, status == 503)
    assert post(guest, f"{path}comments/", WORDS | {"text": "Hello"}).status_code == status
    assert post(guest, f"{path}comments/{hers.id}/", {"do": "resolve"}).status_code == status
    assert guest.get(path).status_code == guest.get(f"{path}comments/").status_code == 200
    assert text_of(interview)[0] == "Alfa bravo charlie delta."

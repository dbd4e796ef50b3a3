"""Comments and highlights: who may, where they stay, and who is told."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from smtplib import SMTPServerDisconnected
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.core.exceptions import PermissionDenied
from django.core.mail.backends.locmem import EmailBackend
from django.http import Http404
from django.test import Client
from django.utils import timezone, translation
from docx import Document

from tenants import mails, scope
from tenants.access import Actor
from tenants.models import AuditEntry, OutboundHold, Role
from tests.conftest import Character, create_member
from tests.portal.api.characters import bearer, send
from tests.portal.web.conftest import make_transcription, signed_in
from transcription.comments import mentions, threads
from transcription.errors import InvalidOption, Refused
from transcription.library import recordings, retention
from transcription.models import Comment, Recording, Segment, Transcription
from transcription.strikes import MASK
from transcription.transcripts import editing
from transcription.transcripts.revisions import ANY

pytestmark = pytest.mark.django_db


@pytest.fixture
def row(alice: Character) -> Transcription:
    return make_transcription(alice.tenant, text="Good morning. There are <b>two</b> risks.")


def said(actor: Actor, row: Transcription, text: str = "Who says that?", start: float = 4.0) -> Comment:
    return threads.comment(actor, row.recording_id, start, start + 2.0, text, 1)


def test_a_viewer_comments_replies_and_resolves_and_changes_only_what_is_theirs(
    alice: Character, bob: Character, mallory: Character, row: Transcription
) -> None:
    with scope.bound(alice.tenant.id):
        hers, his = said(alice.actor, row), said(bob.actor, row, "")
        answer = threads.reply(bob.actor, row.recording_id, hers.id, "I do.")
        with pytest.raises(PermissionDenied):
            threads.change(bob.actor, row.recording_id, hers.id, "Not me.")
        with pytest.raises(PermissionDenied):
            threads.delete(bob.actor, row.recording_id, hers.id)
        with pytest.raises(InvalidOption):
            threads.change(bob.actor, row.recording_id, answer.id, " ")
        threads.resolve(bob.actor, row.recording_id, hers.id)
        assert [one.id for one in threads.threads(alice.actor, row.recording_id, "open")] == [his.id]
        [resolved] = threads.threads(alice.actor, row.recording_id, "resolved")
        assert (resolved.id, str(resolved.resolved_by)) == (hers.id, "bob@acme.example")
        assert [one.text for one in resolved.replies.all()] == ["I do."]
        threads.resolve(alice.actor, row.recording_id, hers.id, again=True)
        threads.delete(alice.actor, row.recording_id, his.id)
        assert threads.count_of(threads.threads(bob.actor, row.recording_id)) == 2
    with scope.bound(mallory.tenant.id):
        for attempt in (
            lambda: threads.threads(mallory.actor, row.recording_id),
            lambda: said(mallory.actor, row),
            lambda: threads.reply(mallory.actor, row.recording_id, hers.id, "Evil."),
            lambda: threads.delete(mallory.actor, row.recording_id, hers.id),
        ):
            with pytest.raises(Http404):
                attempt()


def test_a_passage_stays_with_its_words(alice: Character, row: Transcription) -> None:
    def place() -> tuple[float, float]:
        found = Comment.objects.get(pk=comment.pk)
        return found.start, found.end

    with scope.bound(alice.tenant.id):
        comment = said(alice.actor, row)
        editing.split(alice.actor, row.id, 1, 10, None, {ANY})
        editing.merge(alice.actor, row.id, 1, {ANY})
        editing.edit(alice.actor, row.id, 1, {ANY}, "There are three risks.")
        assert place() == (4.0, 6.0)
        editing.shift(alice.actor, row.id, 2.5, {ANY}, 1)
        assert place() == (6.5, 8.5)
        editing.revert(alice.actor, row.id, 3, {ANY})
        assert place() == (4.0, 6.0)
        recordings.erase(alice.actor, row.recording_id)
        assert not Comment.objects.filter(pk=comment.pk).exists()


def test_a_passage_is_where_its_words_are_when_the_times_of_their_line_change(
    alice: Character, row: Transcription
) -> None:
    def place() -> tuple[float, float]:
        found = Comment.objects.get(pk=comment.pk)
        return found.start, found.end

    words = [
        {"word": word, "start": 4.0 + at, "end": 4.5 + at}
        for at, word in enumerate((" There", " are", " <b>two</b>", " risks."))
    ]
    with scope.bound(alice.tenant.id):
        Segment.objects.filter(transcription=row, index=1).update(words=words)
        comment = said(alice.actor, row, start=5.0)
        editing.edit(alice.actor, row.id, 1, {ANY}, start=3.8)
        assert place() == (5.0, 7.0), "the words stayed"
        editing.edit(alice.actor, row.id, 1, {ANY}, start=5.2)
        line = Segment.objects.get(transcription=row, index=1)
        assert place() == (line.words[1]["start"], 7.0)
        editing.revert(alice.actor, row.id, 0, {ANY})
        assert place() == (5.0, 7.0)


def test_who_may_not_read_struck_words_comments_on_what_they_see(
    client: Client, alice: Character, bob: Character, row: Transcription
) -> None:
    words = [
        {"word": word, "start": float(at), "end": at + 0.5}
        for at, word in enumerate((" Mister", " Featherstonehaugh", " is", " ill."))
    ]
    with scope.bound(alice.tenant.id):
        Segment.objects.filter(transcription=row, index=0).update(
            text=" Mister Featherstonehaugh is ill.", words=words, end=3.5
        )
        Recording.objects.filter(id=row.recording_id).update(struck=[[1.0, 1.5]])
    seen, at = f"Mister {MASK} is ill.", f"/recordings/{row.recording_id}/comments/"

    def chosen(text: str, word: str) -> dict[str, Any]:
        first = text.index(word)
        return {
            "transcription": str(row.id), "first": 0, "position": first, "last": 0, "until": first + len(word)
        }  # fmt: skip

    page = {"X-Page-Tenant": str(alice.tenant.id)}
    for who, text, word, place in (
        (bob, seen, "ill.", (3.0, 3.5)),
        (bob, seen, MASK[:1], (1.0, 1.5)),
        (bob, seen, MASK, (1.0, 1.5)),
        (alice, "Mister Featherstonehaugh is ill.", "ill.", (3.0, 3.5)),
    ):
        answer = signed_in(Client(), who).post(
            at, json.dumps(chosen(text, word)), content_type="application/json", headers=page
        )
        with scope.bound(alice.tenant.id):
            made = Comment.objects.latest("made_at")
        assert (answer.status_code, made.start, made.end) == (200, *place)
    address = f"/api/v1{at[:-1]}"
    made = send(client, "POST", address, bearer(alice), chosen(seen, "ill.")).json()
    assert (made["start"], made["end"]) == (3.0, 3.5), "a program reads the redacted text unless it asks"
    original = chosen("Mister Featherstonehaugh is ill.", "ill.")
    made = send(client, "POST", f"{address}?redacted=false", bearer(alice), original).json()
    assert (made["start"], made["end"]) == (3.0, 3.5)


class TwoSweepers(EmailBackend):
    """A mail server that refuses Dora, and while it takes a mail another sweeper looks for some."""

    tried: list[str] = []
    others: list[int] = []
    error: Exception = ValueError("no such mailbox")

    def send_messages(self, messages: Any) -> int:
        self.tried.extend(messages[0].to)
        self.others.append(mentions.send_due())
        if messages[0].to == ["dora@acme.example"]:
            raise self.error
        return super().send_messages(messages)


def test_neither_deleting_comments_nor_a_second_sweeper_makes_a_second_mail(
    alice: Character, bob: Character, row: Transcription, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EMAIL_BACKEND = f"{__name__}.TwoSweepers"
    monkeypatch.setattr(TwoSweepers, "tried", [])
    monkeypatch.setattr(TwoSweepers, "others", [])
    with scope.bound(alice.tenant.id), translation.override("zh-hans"):
        first = said(alice.actor, row, "@bob@acme.example look")
        with time_machine.travel(timezone.now() + timedelta(minutes=1), tick=False):
            OutboundHold.objects.create()
            assert mentions.send_due() == 0, "a restored backup sends nothing"
            OutboundHold.objects.all().delete()
            assert mentions.send_due() == 1
            threads.delete(alice.actor, row.recording_id, first.id)
            said(alice.actor, row, "@bob@acme.example again")
        with time_machine.travel(timezone.now() + timedelta(minutes=5), tick=False):
            assert mentions.send_due() == 0, "one mail in ten minutes"
        with time_machine.travel(timezone.now() + timedelta(minutes=12), tick=False):
            assert mentions.send_due() == 1
    assert TwoSweepers.others == [0, 0]
    assert mail.outbox[0].subject.startswith("有人"), "in the language of who wrote"


@pytest.mark.parametrize("error", [ValueError("no such mailbox"), SMTPServerDisconnected("closed")])
def test_an_address_that_is_refused_or_breaks_the_connection_holds_up_nobody(
    alice: Character,
    mallory: Character,
    row: Transcription,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    settings.EMAIL_BACKEND = f"{__name__}.TwoSweepers"
    monkeypatch.setattr(TwoSweepers, "error", error)
    monkeypatch.setattr(TwoSweepers, "tried", [])
    monkeypatch.setattr(mentions, "IN_A_ROUND", 1)
    create_member(alice.tenant, "dora@acme.example", Role.VIEWER)
    create_member(mallory.tenant, "eve@evil.example", Role.VIEWER)
    theirs = make_transcription(mallory.tenant)
    with scope.bound(alice.tenant.id):
        said(alice.actor, row, "@dora@acme.example")
        said(alice.actor, row, "@dora@acme.example, once more")
    with scope.bound(mallory.tenant.id):
        said(mallory.actor, theirs, "@eve@evil.example")
    now = timezone.now()
    for minute in range(1, 200, 3):
        with time_machine.travel(now + timedelta(minutes=minute), tick=False):
            mentions.send_due()
    assert [message.to for message in mail.outbox] == [["eve@evil.example"]]
    assert TwoSweepers.tried[:2] == ["dora@acme.example", "eve@evil.example"]
    assert len(TwoSweepers.tried) == 1 + mails.ATTEMPTS


def test_nobody_comments_faster_than_people_do_nor_where_no_text_is_left(
    client: Client, alice: Character, bob: Character, row: Transcription
) -> None:
    with scope.bound(alice.tenant.id):
        parent = said(alice.actor, row)
        for _taken in range(threads.PACE.amount - 1):
            assert threads.PACE.take(str(alice.tenant.id), str(alice.user.pk))
        with pytest.raises(Refused) as refused:
            said(alice.actor, row)
        assert refused.value.code == "too_many_comments_at_once"
        said(bob.actor, row)
        alice.tenant.text_retention_days = 1
        alice.tenant.save()
        with time_machine.travel(timezone.now() + timedelta(days=2), tick=False):
            assert retention.delete_old_text() == 1
        assert not Comment.objects.filter(recording=row.recording_id).exists()
        with pytest.raises(Http404):
            threads.reply(bob.actor, row.recording_id, parent.id, "Still here?")
        with pytest.raises(retention.TextDeleted):
            said(bob.actor, row)
    address = f"/api/v1/recordings/{row.recording_id}/comments"
    answer = send(client, "POST", address, bearer(alice), {"start": 1.0, "end": 2.0, "text": "Why?"})
    assert (answer.status_code, answer.json()["code"]) == (410, "text_deleted")


def test_who_is_mentioned_is_told_once_by_a_mail_that_quotes_nothing(
    alice: Character, bob: Character, mallory: Character, row: Transcription
) -> None:
    text = f"@Bob@Acme.example, and @{mallory.user.email}, @{alice.user.email}: two risks, secretly?"
    with scope.bound(alice.tenant.id):
        first = said(alice.actor, row, text)
        assert mentions.send_due() == 0, "it may be changed at once"
        with time_machine.travel(timezone.now() + timedelta(minutes=1), tick=False):
            assert mentions.send_due() == 1
            assert mentions.send_due() == 0
            said(alice.actor, row, text)
        with time_machine.travel(timezone.now() + timedelta(minutes=5), tick=False):
            assert mentions.send_due() == 0, "one mail in ten minutes"
        with time_machine.travel(timezone.now() + timedelta(minutes=15), tick=False):
            assert mentions.send_due() == 1
            said(alice.actor, row, text)
        bob.member.delete()
        with time_machine.travel(timezone.now() + timedelta(minutes=40), tick=False):
            assert mentions.send_due() == 0, "no member any more"
    assert [message.to for message in mail.outbox] == [["bob@acme.example"]] * 2
    body = str(mail.outbox[0].body)
    assert f"/recordings/{row.recording_id}/#comment-{first.id}" in body
    assert "secretly" not in body
    assert "morning" not in body


def test_the_page_shows_names_and_no_markup_of_theirs(alice: Character, bob: Character, row: Transcription) -> None:
    hers, address = signed_in(Client(), alice), f"/recordings/{row.recording_id}/comments/"
    body = {"transcription": str(row.id), "first": 1, "position": 0, "last": 1, "until": 5}
    text = "<script>alert(1)</script>\n@bob@acme.example look"
    page = {"X-Page-Tenant": str(alice.tenant.id)}
    answer = hers.post(address, json.dumps(body | {"text": text}), content_type="application/json", headers=page).json()
    assert "<script>" not in answer["html"]
    assert '<span class="comment__mention">@bob@acme.example</span>' in answer["html"]
    bob.user.first_name, bob.user.last_name = "Bob <b>", "Builder"
    bob.user.save()
    named = hers.get(address).json()
    assert '<span class="comment__mention">@Bob &lt;b&gt; Builder</span> look' in named["html"]
    assert ["bob@acme.example", "Bob <b> Builder"] in named["people"]
    [mark] = answer["marks"]
    assert (mark["start"], mark["end"], mark["open"]) == (4.0, 7.5, True)
    own = f"{address}{mark['id']}/"
    theirs = {"X-Page-Tenant": str(alice.tenant.id)}
    refused = signed_in(Client(), bob).post(
        own, json.dumps({"do": "delete"}), content_type="application/json", headers=theirs
    )
    assert refused.status_code == 403
    done = hers.post(own, json.dumps({"do": "resolve"}), content_type="application/json", headers=page).json()
    assert not done["marks"][0]["open"]


def test_programs_comment_and_a_word_document_has_comments_where_it_is_asked_for(
    client: Client, alice: Character, row: Transcription
) -> None:
    key, address = bearer(alice), f"/api/v1/recordings/{row.recording_id}/comments"
    new = {"transcription": str(row.id), "first": 0, "last": 1, "text": "Why?", "colour": 2}
    made = send(client, "POST", address, key, new)
    assert made.status_code == 201
    send(client, "POST", address, key, {"parent": made.json()["id"], "text": "Because."})
    assert send(client, "POST", address, key, {"start": 200.0, "end": 201.0}).status_code == 400
    assert send(client, "PATCH", made["Location"], key, {"colour": 9}).status_code == 400
    send(client, "POST", address, key, {"start": 0.0, "end": 1.0, "text": "Here, too?"})
    page, paged = f"{address}?state=open&limit=1", []
    while page:
        answer = send(client, "GET", page, key).json()
        paged += answer["results"]
        page = answer["next"]
    [thread] = [one for one in paged if one["id"] == made.json()["id"]]
    [other] = [one for one in paged if one != thread]
    assert send(client, "DELETE", f"{address}/{other['id']}", key).status_code == 204
    assert (thread["start"], thread["end"], thread["by"]) == (0.0, 7.5, "A key to admin")
    assert [one["text"] for one in thread["replies"]] == ["Because."]
    document = f"/api/v1/transcriptions/{row.id}/transcript.docx"
    with_them = Document(io.BytesIO(send(client, "GET", f"{document}?comments=true", key).content))
    assert [one.text for one in with_them.comments] == ["Why?", "Because."]
    assert not list(Document(io.BytesIO(send(client, "GET", document, key).content)).comments)
    for query in (document.replace("docx", "txt") + "?comments=true", document + "?comments=yes"):
        assert send(client, "GET", query, key).status_code == 400
    with scope.bound(alice.tenant.id):
        reply = thread["replies"][0]["id"]
        wrong = send(client, "PATCH", f"{address}/{reply}", key, {"text": "Changed.", "resolved": True})
        assert wrong.status_code == 400
        assert Comment.objects.get(pk=reply).text == "Because.", "all of a change, or nothing"
        assert send(client, "PATCH", made["Location"], key, {"text": "Why?"}).json()["edited_at"] is None
        assert not AuditEntry.objects.filter(action="comment.changed").exists()
    assert send(client, "DELETE", made["Location"], key).status_code == 204
    with scope.bound(alice.tenant.id):
        assert not Comment.objects.filter(recording=row.recording_id).exists()

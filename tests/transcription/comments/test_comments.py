"""Comments and highlights: who may, where they stay, and who is told."""

from __future__ import annotations

import io
import json
from datetime import timedelta

import pytest
import time_machine
from django.core import mail
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.test import Client
from django.utils import timezone
from docx import Document

from tenants import scope
from tenants.access import Actor
from tests.conftest import Character
from tests.portal.api.characters import bearer, send
from tests.portal.web.conftest import make_transcription, signed_in
from transcription.comments import mentions, threads
from transcription.errors import InvalidOption
from transcription.library import recordings
from transcription.models import Comment, Transcription
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
    [thread] = send(client, "GET", f"{address}?state=open", key).json()["results"]
    assert (thread["start"], thread["end"], thread["by"]) == (0.0, 7.5, "A key to admin")
    assert [one["text"] for one in thread["replies"]] == ["Because."]
    document = f"/api/v1/transcriptions/{row.id}/transcript.docx"
    with_them = Document(io.BytesIO(send(client, "GET", f"{document}?comments=true", key).content))
    assert [one.text for one in with_them.comments] == ["Why?", "Because."]
    assert not list(Document(io.BytesIO(send(client, "GET", document, key).content)).comments)
    assert send(client, "DELETE", made["Location"], key).status_code == 204
    with scope.bound(alice.tenant.id):
        assert not Comment.objects.filter(recording=row.recording_id).exists()

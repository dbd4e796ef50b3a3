"""A recording has several texts, of which one is shown: the one that was made, or chosen again, last."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client

from tenants.models import AuditEntry, LedgerEntry
from tests.conftest import Character
from tests.transcription.characters import submit
from tests.transcription.finishing import finish, serve
from transcription.intake import accept
from transcription.library import recordings
from transcription.library.filters import Filter
from transcription.models import Recording, Transcription
from transcription.options.options import TranscriptionOptions
from transcription.transcripts import editing

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("within")]


@pytest.fixture
def first(alice: Character, fox: Path) -> Transcription:
    """Alice's fox, which she has corrected."""
    serve()
    row = finish(submit(alice.actor, fox))
    editing.edit(alice.actor, row.id, 0, {"*"}, "The vixen.")
    return row


@pytest.fixture
def second(alice: Character, first: Transcription) -> Transcription:
    """Its translation, which is its recording's own text since then."""
    translated = TranscriptionOptions.checked(task="translate")
    return finish(accept.transcribe_again(alice.actor, first.recording, translated))


def latest(row: Transcription) -> Transcription | None:
    return Recording.objects.get(pk=row.recording_id).latest


def found(alice: Character, word: str, model: str = "") -> int:
    return recordings.recordings(alice.actor, Filter(search=word, model=model)).count()


def test_asking_for_the_options_of_an_earlier_text_brings_it_back_as_it_was_left(
    alice: Character, first: Transcription, second: Transcription, client: Client
) -> None:
    assert latest(first) == second
    assert not found(alice, "vixen")
    Transcription.objects.filter(pk=second.pk).update(model="small")
    client.force_login(alice.user)
    page = f"/recordings/{first.recording_id}/"
    shown = client.post(f"{page}again/", {"task": "transcribe"}, follow=True).content.decode()
    assert "An earlier text is shown again, with its corrections. Nothing was charged." in shown
    assert "The vixen." in shown
    assert latest(first) == first
    assert found(alice, "vixen", model="base") == 1
    assert found(alice, "", model="small") == 0
    assert LedgerEntry.objects.count() == 2
    assert AuditEntry.objects.filter(action="transcript.chosen", object_id=str(first.id)).count() == 1
    same = client.post(f"{page}again/", {"task": "transcribe"}, follow=True).content.decode()
    assert "This is the text for these options already." in same


def test_the_page_lists_the_texts_and_says_what_another_one_would_lack(
    alice: Character, mallory: Character, first: Transcription, second: Transcription, client: Client
) -> None:
    client.force_login(mallory.user)
    assert client.post(f"/transcriptions/{first.id}/choose/").status_code == 404
    client.force_login(alice.user)
    page = f"/recordings/{first.recording_id}/"
    shown = client.get(page).content.decode()
    assert "Texts of this recording" in shown
    assert "correction of the text that is here" not in shown
    shown = client.post(f"/transcriptions/{first.id}/choose/", follow=True).content.decode()
    assert "1 correction of the text that is here is not carried over" in shown
    assert latest(first) == first
    assert f"/transcriptions/{second.id}/choose/" in shown
    client.post(f"/transcriptions/{second.id}/choose/")
    assert latest(first) == second, "the later choice"

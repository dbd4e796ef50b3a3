"""A recording is transcribed again, and its words come at other times and spelt otherwise: what is struck stays so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import transaction

from portal.consumers import snapshot_of
from tenants import scope
from tenants.models import AuditEntry
from tests.conftest import Character
from tests.portal.web.conftest import make_rehearing
from tests.transcription.characters import submit
from tests.transcription.finishing import finish, serve
from transcription.exports.beside import shown_beside
from transcription.intake import accept, translation
from transcription.models import Recording, Segment, Transcription
from transcription.options.options import TranscriptionOptions
from transcription.queue import claims, lifecycle
from transcription.shares import links
from transcription.shares.links import LinkOptions
from transcription.shares.text import text_of
from transcription.strikes import redacted
from transcription.transcripts import striking
from transcription.transcripts.revisions import ANY
from transcription.transcripts.striking import Words

pytestmark = pytest.mark.django_db(transaction=True)
Come = Callable[[Transcription, Segment], None]


@pytest.fixture
def row(alice: Character, fox: Path) -> Transcription:
    """A transcript with a word for each 0.4 s."""
    serve()
    with scope.bound(alice.tenant.id):
        row = finish(submit(alice.actor, fox))
        row.segments.all().delete()
        line(row, "Alice met Smyth here.", 0.0).save()
        return row


def line(row: Transcription, text: str, begin: float) -> Segment:
    words = [
        {"word": f" {word}", "start": begin + 0.4 * at, "end": begin + 0.4 * at + 0.4}
        for at, word in enumerate(text.split())
    ]
    fields = {"start": begin, "end": words[-1]["end"], "text": f" {text}", "words": words}
    return Segment(tenant_id=row.tenant_id, transcription=row, index=0, **fields)


def shown(row: Transcription) -> str:
    return " ".join(segment.text for segment in redacted(Transcription.objects.get(pk=row.pk)))


def heard(row: Transcription, segment: Segment) -> None:
    claim = claims.claim("host/1")
    assert claim is not None
    lifecycle.save_window(claim, [segment], 2.9, "en")
    row.refresh_from_db()
    assert "Smith" not in str(snapshot_of(row)), "not while it is made, either"
    lifecycle.complete(claim, segment.text.strip(), 2.9, [3, 4])


def reused(row: Transcription, segment: Segment) -> None:
    lifecycle.cancel(row)
    again = Transcription(tenant_id=row.tenant_id, recording_id=row.recording_id, model=row.model)
    segment.transcription = again
    with transaction.atomic():
        lifecycle.insert_completed(again, [segment])


@pytest.mark.parametrize("come", [heard, reused])
def test_a_new_text_comes_without_what_was_struck_of_the_former_one(
    alice: Character, row: Transcription, come: Come
) -> None:
    with scope.bound(alice.tenant.id):
        share = links.create(alice.actor, row.recording_id, LinkOptions()).share
        striking.strike(alice.actor, row.id, Words(0, 10, 0, 15), {ANY})
        options = TranscriptionOptions.checked(prompt="Names of people.")
        again = accept.transcribe_again(alice.actor, Recording.objects.get(pk=row.recording_id), options)
        come(again, line(again, "Alice met Smith here.", 0.4))
        given = text_of(share)
        assert given is not None
        assert given.row.id != row.id
        assert given.row.text == "Alice █████ here."
        noted = AuditEntry.objects.filter(action="transcript.struck").latest("created_at")
        assert (noted.actor_kind, noted.details["seconds"]) == ("system", ["1.200-1.600"])


def test_who_strikes_a_word_strikes_it_in_every_text_of_the_recording(alice: Character, row: Transcription) -> None:
    with scope.bound(alice.tenant.id):
        older = make_rehearing(row)
        Transcription.objects.filter(pk=older.pk).update(rehears=None)
        line(older, "Alice met Smith here.", 0.4).save()
        again = make_rehearing(row)
        Transcription.objects.filter(pk=again.pk).update(range_start=0.7)
        line(again, "Smythe", 1.2).save()
        striking.strike(alice.actor, row.id, Words(0, 10, 0, 15), {ANY})
        assert shown(row) == " Alice met █████"
        assert shown(older) == " Alice █████"
        assert shown(again) == " █████"


def translated(alice: Character, row: Transcription, *lines: tuple[float, float, str]) -> Transcription:
    """A translation beside a German transcript, as it comes from an engine."""
    Transcription.objects.filter(pk=row.pk).update(detected_language="de")
    other = translation.ask(alice.actor, row.id)
    claim = claims.claim("host/1")
    assert claim is not None
    said = [
        Segment(tenant_id=row.tenant_id, transcription=other, index=index, start=start, end=end, text=f" {text}")
        for index, (start, end, text) in enumerate(lines)
    ]
    lifecycle.save_window(claim, said, lines[-1][1], "de")
    lifecycle.complete(claim, " ".join(text for _start, _end, text in lines), lines[-1][1], [3, 4])
    return Transcription.objects.get(pk=other.pk)


def beside(other: Transcription) -> list[str]:
    return [segment.text.strip() for segment in shown_beside(Transcription.objects.get(pk=other.pk))]


def test_a_translation_beside_changes_nothing_of_what_is_struck_whatever_comes_first(
    alice: Character, row: Transcription
) -> None:
    lines = ((0.1, 1.5, "Alice met a man."), (1.5, 3.1, "It was here."), (9.0, 12.0, "Who is Smyth?"), (12, 14, "No."))
    with scope.bound(alice.tenant.id):
        striking.strike(alice.actor, row.id, Words(0, 10, 0, 15), {ANY})
        other = translated(alice, row, *lines)
        assert Recording.objects.get(pk=row.recording_id).struck == [[0.8, 1.2]]
        assert beside(other) == ["█████", "█████", "█████", "No."], "near the struck word, or with it"
        assert "Smyth" not in shown(other)
        again = accept.transcribe_again(
            alice.actor, Recording.objects.get(pk=row.recording_id), TranscriptionOptions.checked(prompt="Names.")
        )
        heard(again, line(again, "Alice met Smith here.", 0.4))
        assert shown(again) == " Alice █████ here."
        assert Recording.objects.get(pk=row.recording_id).struck == [[0.8, 1.6]]
        striking.strike(alice.actor, again.id, (0.0, 2.9), {ANY}, back=True)
        assert beside(other) == [text for _start, _end, text in lines]


def test_a_text_in_another_language_is_struck_at_the_same_names_only(alice: Character, row: Transcription) -> None:
    with scope.bound(alice.tenant.id):
        striking.strike(alice.actor, row.id, Words(0, 10, 0, 15), {ANY})
        recording = Recording.objects.get(pk=row.recording_id)
        english = accept.transcribe_again(alice.actor, recording, TranscriptionOptions.checked(task="translate"))
        heard(english, line(english, "There he was, and so was this.", 0.0))
        assert shown(english) == " There he █████ and so was this."
        again = accept.transcribe_again(alice.actor, recording, TranscriptionOptions.checked(prompt="Names."))
        heard(again, line(again, "Alice met Smith here.", 0.4))
        assert "Smith" not in shown(again), "the newest text is not the only one it is compared with"

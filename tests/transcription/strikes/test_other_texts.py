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
from transcription.intake import accept
from transcription.models import Recording, Segment, Transcription
from transcription.options.options import TranscriptionOptions
from transcription.queue import claims, lifecycle
from transcription.shares import links
from transcription.shares.links import Wanted
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
        share = links.create(alice.actor, row.recording_id, Wanted()).share
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

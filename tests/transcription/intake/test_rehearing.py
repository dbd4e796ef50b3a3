"""Lines of a transcript are heard again: queued, charged once, compared, and taken as a revision or left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.http import Http404
from django.utils import timezone

from tenants import scope
from tenants.models import LedgerEntry, Quota, Role, Tenant
from tests.conftest import Character, MakeMedia, create_member
from tests.transcription.characters import submit
from transcription.engine.types import DecodeOptions, Segment, Window, WindowResult, Word
from transcription.errors import InvalidOption, Refused
from transcription.intake import accept
from transcription.intake import rehearing as intake
from transcription.library import recordings as library
from transcription.library import retention
from transcription.library.filters import Filter
from transcription.models import Attempt, Engine, Recording, Revision, Speaker, Status, Transcription
from transcription.options.options import TranscriptionOptions
from transcription.queue import claims, lifecycle
from transcription.transcripts import editing, rehearing
from transcription.transcripts.rehearing import Lines
from transcription.transcripts.revisions import NotCompleted, Stale
from transcription.webhooks.models import Event
from transcription.worker import job

# Committed, so that the watchdog, which looks from another connection, sees the claim.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("within")]
CAREFUL = {"beam_size": 5}


class Hearer:
    """An engine that hears these words, a second each from the beginning of a window, and notes what it was given."""

    def __init__(self, text: str) -> None:
        self.words = text.split()
        self.seconds = 0.0
        self.options: DecodeOptions | None = None

    def decode(self, windows: Iterable[Window], options: DecodeOptions, **_more: object) -> Iterator[WindowResult]:
        self.options = options
        for window in windows:
            self.seconds += window.end - window.start
            words = tuple(Word(f" {word}", float(at), at + 0.9, 0.9) for at, word in enumerate(self.words))
            text = "".join(word.word for word in words)
            segment = Segment(0.0, max(1.0, float(len(words))), text, (1,), 0.0, -0.1, 1.0, 0.0, 0, words=words)
            found = (segment,) if words else ()
            yield WindowResult(window.index, window.start, window.end, "en", 1.0, found, "base@1")


def work(monkeypatch: pytest.MonkeyPatch, engine: Hearer) -> None:
    monkeypatch.setattr(job, "EngineClient", lambda _address, request_id: engine)
    claim = claims.claim("host/1")
    assert claim is not None
    job.run_attempt(claim)


@pytest.fixture
def row(alice: Character, fox: Path, make_media: MakeMedia, monkeypatch: pytest.MonkeyPatch) -> Transcription:
    """Twelve seconds, of which two speakers say three lines."""
    sound = make_media("rehear.wav", "-stream_loop", "6", "-i", str(fox), "-t", "12")
    row = submit(alice.actor, sound, word_timestamps=True)
    work(monkeypatch, Hearer("Good morning"))
    Engine.objects.update_or_create(name="host", defaults={"model_versions": {"base": "base@1"}})
    row.segments.all().delete()
    for index, (text, speaker) in enumerate((("Good morning.", 0), ("The crown fox.", 1), ("It jumps.", 0))):
        begin = 4.0 * index
        words = [
            {"word": f" {word}", "start": begin + at, "end": begin + at + 0.9, "probability": 0.9}
            for at, word in enumerate(text.split())
        ]
        row.segments.create(
            tenant=row.tenant, index=index, start=begin, end=begin + 3.5, text=f" {text}", words=words, speaker=speaker
        )
    Speaker.objects.bulk_create(Speaker.numbered(row, index) for index in (0, 1))
    Transcription.objects.filter(id=row.id).update(speakers="2", text="Good morning. The crown fox. It jumps.")
    row.refresh_from_db()
    return row


def texts(row: Transcription) -> list[str]:
    return [text.strip() for text in row.segments.values_list("text", flat=True)]


def tag(row: Transcription, heard: Transcription) -> str:
    return rehearing.tag_of(rehearing.lines_of(row, heard.range_start, heard.range_end))


def test_only_the_lines_sound_is_heard_and_charged_once(
    alice: Character, row: Transcription, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Recording.objects.get(id=row.recording_id)
    heard = intake.ask(alice.actor, row.id, Lines(1, 1), CAREFUL | {"prompt": "A brown fox"})
    assert intake.ask(alice.actor, row.id, Lines(1, 1), CAREFUL | {"prompt": "A brown fox"}) == heard
    engine = Hearer("The brown fox")
    work(monkeypatch, engine)
    assert engine.seconds == pytest.approx(3.9, abs=0.01)
    assert engine.options is not None
    assert (engine.options.beam_size, engine.options.prompt, engine.options.lane) == (5, "A brown fox", "interactive")
    assert intake.ask(alice.actor, row.id, Lines(1, 1), CAREFUL | {"prompt": "A brown fox"}) == heard
    charged = LedgerEntry.objects.filter(transcription_id=heard.id).values_list("seconds", flat=True)
    assert list(charged) == [4]

    after = Recording.objects.get(id=row.recording_id)
    assert (after.duration_seconds, after.peaks, after.latest) == (before.duration_seconds, before.peaks, row)
    assert texts(row)[1] == "The crown fox."
    assert list(library.transcriptions(alice.actor, row.recording_id)) == [row]
    with pytest.raises(Http404):
        library.transcription(alice.actor, heard.id)
    assert not library.recordings(alice.actor, Filter(search="brown")).exists()
    assert not Event.objects.filter(subject=str(heard.id)).exists()


def test_what_is_taken_has_its_words_times_its_speaker_and_is_undone(
    alice: Character, row: Transcription, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = intake.ask(alice.actor, row.id, Lines(1, 1), CAREFUL)
    with pytest.raises(NotCompleted):
        rehearing.take(alice.actor, row.id, heard.id, {"*"})
    work(monkeypatch, Hearer("The brown fox"))
    seen = tag(row, heard)
    editing.edit(alice.actor, row.id, 0, {"*"}, "Good evening.")  # another line changes nothing of it
    taken = rehearing.take(alice.actor, row.id, heard.id, {seen})
    line = taken.segments.get(index=1)
    assert (line.text, line.start, line.end, line.speaker) == (" The brown fox", 4.0, 7.5, 1)
    starts = [word["start"] for word in line.words]
    assert starts == pytest.approx([4.0, 4.8, 5.8], abs=0.001)
    assert line.checks[0][2] == f"user:{alice.user.pk}"
    assert texts(taken) == ["Good evening.", "The brown fox", "It jumps."]
    assert Revision.objects.get(transcription=row, number=2).action == "rehear"
    with pytest.raises(Stale):
        rehearing.take(alice.actor, row.id, heard.id, {seen})
    editing.revert(alice.actor, row.id, 1, {"*"})
    assert texts(row) == ["Good evening.", "The crown fox.", "It jumps."]


def test_several_lines_are_divided_where_the_speaker_changes(
    alice: Character, row: Transcription, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = intake.ask(alice.actor, row.id, Lines(0, 2), CAREFUL)
    work(monkeypatch, Hearer("Good morning to all the brown fox may it jump"))
    taken = rehearing.take(alice.actor, row.id, heard.id, {tag(row, heard)})
    said = [(line.speaker, line.text.strip()) for line in taken.segments.all()]
    assert said == [(0, "Good morning to all"), (1, "the brown fox may"), (0, "it jump")]
    assert [line.start for line in taken.segments.all()] == sorted(line.start for line in taken.segments.all())


def test_what_another_person_makes_of_the_lines_is_not_lost(
    alice: Character, row: Transcription, monkeypatch: pytest.MonkeyPatch
) -> None:
    carol = create_member(row.tenant, "carol@acme.example", Role.EDITOR)
    heard = intake.ask(alice.actor, row.id, Lines(1, 1), CAREFUL)
    work(monkeypatch, Hearer("The brown fox"))
    seen = tag(row, heard)
    editing.edit(carol.actor, row.id, 1, {"*"}, "The clown fox.")
    with pytest.raises(Stale):
        rehearing.take(alice.actor, row.id, heard.id, {seen})
    assert texts(row)[1] == "The clown fox."
    editing.merge(carol.actor, row.id, 1, {"*"})
    with pytest.raises(Refused, match="joined with others"):
        rehearing.take(alice.actor, row.id, heard.id, {tag(row, heard)})
    editing.revert(carol.actor, row.id, 1, {"*"})
    editing.remove(carol.actor, row.id, 0, {"*"})  # the line has another number, and the same times
    taken = rehearing.take(alice.actor, row.id, heard.id, {tag(row, heard)})
    assert texts(taken) == ["The brown fox", "It jumps."]


@pytest.mark.parametrize(("start", "end"), [(3.0, 7.0), (1.0, 2.0), (4.0, 10.0)])
def test_times_that_cut_through_a_line_are_refused(
    start: float, end: float, alice: Character, row: Transcription
) -> None:
    """What is left of the line would be lost, and what is heard twice doubled."""
    with pytest.raises(InvalidOption, match="whole lines"):
        intake.ask(alice.actor, row.id, (start, end), {})


def test_a_text_is_charged_once_at_any_temperature_and_whatever_engines_serve(
    alice: Character, row: Transcription, monkeypatch: pytest.MonkeyPatch
) -> None:
    Transcription.objects.filter(id=row.id).update(temperature=0.4)
    heard = intake.ask(alice.actor, row.id, Lines(1, 1), {"prompt": "A brown fox"})
    work(monkeypatch, Hearer("The brown fox"))
    Engine.objects.all().delete()
    Recording.objects.filter(id=row.recording_id).update(audio_deleted_at=timezone.now())
    assert intake.ask(alice.actor, row.id, Lines(1, 1), {"prompt": "A brown fox"}) == heard


def test_what_was_heard_goes_with_the_transcript_s_text(
    alice: Character, row: Transcription, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = intake.ask(alice.actor, row.id, Lines(1, 1), {"prompt": "A brown fox"})
    work(monkeypatch, Hearer("The brown fox"))
    Tenant.objects.filter(id=row.tenant_id).update(text_retention_days=1)
    Transcription.objects.filter(id=row.id).update(finished_at=timezone.now() - timedelta(days=2))
    assert retention.delete_old_text() == 1
    heard.refresh_from_db()
    assert (heard.text, heard.prompt, heard.segments.count()) == ("", "", 0)
    assert heard.text_deleted_at is not None


def test_speech_without_text_gets_some(alice: Character, row: Transcription, monkeypatch: pytest.MonkeyPatch) -> None:
    editing.remove(alice.actor, row.id, 1, {"*"})
    heard = intake.ask(alice.actor, row.id, (4.0, 7.0), CAREFUL)
    work(monkeypatch, Hearer("The brown fox"))
    taken = rehearing.take(alice.actor, row.id, heard.id, {tag(row, heard)})
    assert texts(taken) == ["Good morning.", "The brown fox", "It jumps."]


def test_a_dead_attempt_is_made_again_and_charged_once(
    alice: Character, row: Transcription, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = intake.ask(alice.actor, row.id, Lines(1, 1), CAREFUL)
    assert claims.claim("host/2") is not None
    assert lifecycle.lose_attempt_of("host/2") == 1
    Transcription.objects.filter(id=heard.id).update(not_before=timezone.now())
    work(monkeypatch, Hearer("The brown fox"))
    heard.refresh_from_db()
    assert heard.status == Status.COMPLETED
    outcomes = list(Attempt.objects.filter(transcription=heard).values_list("outcome", flat=True))
    assert outcomes == ["lost", "completed"]
    assert LedgerEntry.objects.filter(transcription_id=heard.id).count() == 1


def test_what_cannot_be_heard_is_refused_for_free_and_names_the_reason(
    alice: Character, bob: Character, mallory: Character, row: Transcription
) -> None:
    with pytest.raises(InvalidOption, match="does not exist"):
        intake.ask(alice.actor, row.id, Lines(1, 1), {"model": "nonsense"})
    with pytest.raises(InvalidOption, match="hotwords"):
        intake.ask(alice.actor, row.id, Lines(1, 1), {"hotwords": "x"})
    with pytest.raises(InvalidOption, match="within the recording"):
        intake.ask(alice.actor, row.id, (3.0, 99.0), {})
    with pytest.raises(Http404):
        intake.ask(alice.actor, row.id, Lines(2, 3), {})
    with scope.bound(mallory.tenant.id), pytest.raises(Http404):
        intake.ask(mallory.actor, row.id, Lines(1, 1), {})
    Quota.objects.filter(tenant=row.tenant).update(monthly_seconds=13)
    with pytest.raises(Refused, match="left this month"):
        intake.ask(alice.actor, row.id, Lines(1, 1), {})
    Recording.objects.filter(id=row.recording_id).update(audio_deleted_at=timezone.now())
    with pytest.raises(Refused) as gone:
        intake.ask(alice.actor, row.id, Lines(1, 1), {})
    assert gone.value.code == "audio_deleted"
    assert not Transcription.objects.exclude(id=row.id).exists()


def test_a_stopped_one_is_charged_nothing_and_another_transcription_of_all_is_no_rehearing(
    alice: Character, row: Transcription, acme: Tenant
) -> None:
    heard = intake.ask(alice.actor, row.id, Lines(1, 1), CAREFUL)
    assert rehearing.stop(alice.actor, row.id, heard.id).status == Status.CANCELLED
    assert not LedgerEntry.objects.filter(transcription_id=heard.id).exists()
    assert intake.ask(alice.actor, row.id, Lines(1, 1), CAREFUL) != heard
    again = accept.transcribe_again(alice.actor, row.recording, TranscriptionOptions.checked(word_timestamps=True))
    assert again.rehears_id is None

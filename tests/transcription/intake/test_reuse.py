"""The same content under the same options is worked out once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from django.utils import timezone

from tenants import api_keys, scope
from tenants.access import Actor
from tenants.models import LedgerEntry, Quota, Reservation, UsageMonth
from tests.conftest import Character, create_member, create_tenant
from tests.transcription.characters import arrive, submit
from tests.transcription.finishing import VERSION, finish, serve
from tests.transcription.intake.rush import rush
from transcription.errors import Refused
from transcription.intake import accept, translation
from transcription.intake.request import CallContext, TranscriptionRequest
from transcription.library import recordings
from transcription.media import storage
from transcription.models import Recording, Status, Transcription
from transcription.options.options import TranscriptionOptions
from transcription.queue import claims, eta, lifecycle

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("within")]
OPTIONS = TranscriptionOptions.checked()


@pytest.fixture
def first(alice: Character, fox: Path) -> Transcription:
    """Alice's fox, transcribed by the version that is served."""
    serve()
    return finish(submit(alice.actor, fox))


@dataclass(frozen=True)
class OptionsOfALaterVersion(TranscriptionOptions):
    punctuation: str = "keep"


def test_an_option_that_is_added_later_keeps_what_is_known(alice: Character) -> None:
    later = OptionsOfALaterVersion(OPTIONS.model, named_model=OPTIONS.named_model)
    assert later.fingerprint("content") == OPTIONS.fingerprint("content")
    call = CallContext(endpoint="/v1/audio/transcriptions", key="once")
    [now, then] = [TranscriptionRequest(alice.actor, options, call, "content").digest for options in (OPTIONS, later)]
    assert now == then
    chosen = OptionsOfALaterVersion(OPTIONS.model, punctuation="none")
    assert chosen.fingerprint("content") != OPTIONS.fingerprint("content")


def answers_itself(row: Transcription) -> bool:
    return row.status == Status.COMPLETED and row.is_reused


def test_what_is_known_is_given_at_once_and_charged_nothing(alice: Character, fox: Path, first: Transcription) -> None:
    row = submit(alice.actor, fox)
    row.refresh_from_db()
    assert (row.status, row.text, row.detected_language, row.percent) == (Status.COMPLETED, "The fox.", "en", 100)
    assert (row.reused_from, row.model_version, row.processing_seconds) == (first, VERSION, 0.0)
    assert [(s.text, s.tokens) for s in row.segments.all()] == [(" The fox.", [1, 2])]
    assert LedgerEntry.objects.get().transcription_id == first.id
    assert Reservation.objects.count() == 1
    assert UsageMonth.objects.get().reserved_seconds == 0


def test_what_speaks_against_a_text_goes_with_it(alice: Character, fox: Path, first: Transcription) -> None:
    Transcription.objects.filter(id=first.id).update(missed_speech=[[1.0, 2.5]])
    first.segments.update(non_speech_share=0.9)
    row = submit(alice.actor, fox)
    row.refresh_from_db()
    assert (row.missed_speech, row.segments.get().non_speech_share) == ([[1.0, 2.5]], 0.9)


def test_its_recording_is_kept_and_counted_like_any_other(alice: Character, fox: Path, first: Transcription) -> None:
    again = submit(alice.actor, fox).recording
    assert storage.local_path(again.storage_key).read_bytes() == fox.read_bytes()
    assert (again.peaks, again.format) == ([3, 4], first.recording.format)
    assert again.duration_seconds == Recording.objects.get(id=first.recording_id).duration_seconds
    assert Quota.objects.get(tenant=alice.tenant).stored_bytes_used == 2 * fox.stat().st_size
    recordings.erase(alice.actor, first.recording_id)
    copy = Transcription.objects.get()
    assert (copy.text, copy.reused_from, answers_itself(copy)) == ("The fox.", None, True)
    assert storage.local_path(again.storage_key).exists()


def test_a_playable_copy_is_not_shared(alice: Character, fox: Path, first: Transcription) -> None:
    key = storage.recording_key(alice.tenant.id, first.recording_id, "playback.m4a")
    storage.copy(first.recording.storage_key, key)
    Recording.objects.update(playback_key=key)
    again = submit(alice.actor, fox).recording
    recordings.erase(alice.actor, first.recording_id)
    assert again.playback_key != key
    assert storage.local_path(again.playback_key).read_bytes() == fox.read_bytes()


@pytest.mark.parametrize(
    "options",
    [
        {"language": "en"},
        {"task": "translate"},
        {"prompt": "Foxes."},
        {"temperature": 0.2},
        {"word_timestamps": True},
        {"mode": "fast"},
        {"hotwords": "Renard"},
        {"beam_size": 5},
        {"audio_track": 1},
    ],
    ids=str,
)
def test_other_options_are_worked_out(
    options: dict[str, object], alice: Character, fox: Path, first: Transcription
) -> None:
    assert submit(alice.actor, fox, **options).status == Status.QUEUED


def test_who_asks_for_a_sample_gets_a_new_one(alice: Character, fox: Path) -> None:
    serve()
    finish(submit(alice.actor, fox, temperature=0.5))
    assert submit(alice.actor, fox, temperature=0.5).status == Status.QUEUED


def new_weights(_alice: Character, _row: Transcription) -> None:
    serve("base other")


def no_engine(_alice: Character, _row: Transcription) -> None:
    serve("")


def mixed_versions(_alice: Character, row: Transcription) -> None:
    Transcription.objects.filter(id=row.id).update(model_version="")


def text_gone(_alice: Character, row: Transcription) -> None:
    Transcription.objects.filter(id=row.id).update(text="", text_deleted_at=timezone.now())


def deleted(alice: Character, row: Transcription) -> None:
    recordings.delete(alice.actor, row.recording_id)


@pytest.mark.parametrize("event", [new_weights, no_engine, mixed_versions, text_gone, deleted])
def test_what_cannot_be_vouched_for_is_worked_out(
    event: Callable[[Character, Transcription], None], alice: Character, fox: Path, first: Transcription
) -> None:
    event(alice, first)
    assert submit(alice.actor, fox).status == Status.QUEUED


def test_nothing_crosses_to_another_tenant(mallory: Character, fox: Path, first: Transcription) -> None:
    with scope.bound(mallory.tenant.id):
        row = submit(mallory.actor, fox)
        assert (row.status, row.text) == (Status.QUEUED, "")


def test_a_kept_recording_is_answered_too(alice: Character, first: Transcription) -> None:
    """By what it has already: asking a thousand times stores nothing."""
    assert accept.transcribe_again(alice.actor, first.recording, OPTIONS) == first
    assert first.recording.transcriptions.count() == 1


def test_two_clicks_are_one_transcription_and_two_samples_are_two(alice: Character, fox: Path) -> None:
    recording = submit(alice.actor, fox).recording
    translated = TranscriptionOptions.checked(task="translate")
    one, other = (accept.transcribe_again(alice.actor, recording, translated) for _click in range(2))
    assert one == other
    sampled = TranscriptionOptions.checked(task="translate", temperature=0.4)
    assert accept.transcribe_again(alice.actor, recording, sampled) != accept.transcribe_again(
        alice.actor, recording, sampled
    )
    assert Transcription.objects.count() == Reservation.objects.count() == 4


def test_a_spent_month_is_no_obstacle_but_a_full_store_is(alice: Character, fox: Path, first: Transcription) -> None:
    Quota.objects.filter(tenant=alice.tenant).update(monthly_seconds=3)
    assert answers_itself(submit(alice.actor, fox))
    Quota.objects.filter(tenant=alice.tenant).update(stored_bytes=100)
    with pytest.raises(Refused) as refused:
        submit(alice.actor, fox)
    assert refused.value.code == "quota_stored_bytes"


def test_speed_is_measured_by_work_alone(alice: Character, fox: Path, first: Transcription) -> None:
    before = eta.measured_speed()
    submit(alice.actor, fox)
    recordings.erase(alice.actor, first.recording_id)
    assert before is not None
    assert eta.measured_speed() is None


def test_a_pause_between_recordings_is_no_speed(alice: Character, fox: Path) -> None:
    """Speeds that end add up to nearly 0, and not to 0: whoever waits would wait for ages."""
    rows = [submit(alice.actor, fox, temperature=0.1 * number) for number in range(1, 5)]
    begin = timezone.now() - timedelta(hours=1)
    spans = [(0.0, 1.1, 9.7), (0.3, 1.7, 3.3), (0.9, 2.3, 7.1), (300.0, 1.3, 5.0)]
    for row, (start, length, audio) in zip(rows, spans, strict=True):
        started = begin + timedelta(seconds=start)
        Transcription.objects.filter(id=row.id).update(
            status=Status.COMPLETED,
            started_at=started,
            finished_at=started + timedelta(seconds=length),
            audio_seconds=audio,
        )
    speed = eta.measured_speed()
    assert speed is not None
    assert speed.total > 1


def waiting(character: Character, fox: Path, **options: object) -> Transcription:
    """A synchronous request with the character's key."""
    actor = of_key(character)
    checked = TranscriptionOptions.checked(**options)  # type: ignore[arg-type]
    return accept.accept(actor, arrive(fox), checked, "api", CallContext("/v1/audio/transcriptions", waits=True))


def of_key(character: Character) -> Actor:
    actor = api_keys.authenticate(character.secret)
    assert actor is not None
    return actor


def test_a_retry_joins_what_its_first_try_waits_for(alice: Character, fox: Path) -> None:
    row = waiting(alice, fox)
    assert waiting(alice, fox) == row
    claims.claim("host/1")
    assert waiting(alice, fox) == row
    assert Recording.objects.count() == Transcription.objects.count() == Reservation.objects.count() == 1
    assert Quota.objects.get(tenant=alice.tenant).stored_bytes_used == fox.stat().st_size


def test_a_retry_after_the_end_is_given_the_result(alice: Character, fox: Path) -> None:
    serve()
    row = finish(waiting(alice, fox))
    assert waiting(alice, fox).reused_from == row
    assert LedgerEntry.objects.count() == 1


def test_only_a_retry_joins(alice: Character, acme: object, fox: Path) -> None:
    row = waiting(alice, fox)
    carol = create_member(alice.tenant, "carol@acme.example", "editor")
    assert waiting(carol, fox) != row, "another program"
    assert submit(alice.actor, fox) != row, "nobody waits"
    assert waiting(alice, fox, language="en") != row, "another language"
    lifecycle.cancel(row)
    assert waiting(alice, fox) != row, "it is over"


@pytest.mark.django_db(transaction=True)
def test_twenty_impatient_requests_are_one_transcription(fox: Path, tmp_path: Path) -> None:
    alice = create_member(create_tenant("Impatient"), "alice@impatient.example", "owner")
    serve()

    row = rush(alice, fox, 20, tmp_path, partial(waiting, alice))
    with scope.bound(alice.tenant.id):
        finish(row)
        assert LedgerEntry.objects.get().transcription_id == row.id


@pytest.fixture
def german(first: Transcription) -> Transcription:
    Transcription.objects.filter(pk=first.pk).update(detected_language="de")
    return first


def latest(row: Transcription) -> Transcription | None:
    return Recording.objects.get(pk=row.recording_id).latest


def again(alice: Character, row: Transcription, **options: object) -> Transcription:
    checked = TranscriptionOptions.checked(**options)  # type: ignore[arg-type]
    return accept.transcribe_again(alice.actor, Recording.objects.get(pk=row.recording_id), checked)


def test_a_translation_that_is_tried_again_stands_beside_its_transcript(
    alice: Character, german: Transcription
) -> None:
    stopped = translation.ask(alice.actor, german.id)
    lifecycle.cancel(stopped)
    stopped.refresh_from_db()
    once_more = accept.retry(alice.actor, stopped)
    assert (once_more.translates, latest(german)) == (german, german)
    assert accept.retry(alice.actor, stopped) == once_more


def test_each_transcript_gets_a_translation_of_its_own_and_what_is_known_is_free(
    alice: Character, german: Transcription
) -> None:
    waiting = translation.ask(alice.actor, german.id)
    second = again(alice, german, prompt="Names.")
    other = translation.ask(alice.actor, german.id)
    assert other == waiting
    finish(other)
    finish(second)
    Transcription.objects.filter(pk=second.pk).update(detected_language="de")
    copy = translation.ask(alice.actor, second.id)
    assert (answers_itself(copy), copy.translates, copy.reused_from) == (True, second, other)
    assert [translation.ask(alice.actor, row.id) for row in (german, second)] == [other, copy]
    assert latest(german) == second
    own = again(alice, german, task="translate", language="de", speakers="off")
    assert (answers_itself(own), own.translates, latest(german)) == (True, None, own)
    assert again(alice, german, task="translate", language="de", speakers="off") == own
    assert translation.ask(alice.actor, german.id) == other
    assert Reservation.objects.count() == 3, "copies are free"


def test_a_translation_under_way_is_nobody_elses(alice: Character, german: Transcription) -> None:
    waiting = translation.ask(alice.actor, german.id)
    own = again(alice, german, task="translate", language="de", speakers="off")
    assert (own.status, own.translates, own.fingerprint) == (Status.QUEUED, None, waiting.fingerprint)
    assert latest(german) == own

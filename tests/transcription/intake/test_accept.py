from pathlib import Path

import pytest
from django.core.exceptions import PermissionDenied
from pytest_django.fixtures import DjangoCaptureOnCommitCallbacks

from tenants.models import Quota, Reservation, UsageMonth
from tests.conftest import Character, MakeMedia
from tests.transcription.characters import arrive, submit
from transcription import media
from transcription.errors import InvalidOption, Refused
from transcription.intake import accept
from transcription.media import pcm_cache, storage
from transcription.media.filenames import clean_name
from transcription.models import Lane, Recording, Status, Transcription
from transcription.options.options import TranscriptionOptions

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("within")]


def test_an_accepted_file_is_kept_queued_and_reserved(alice: Character, fox: Path) -> None:
    row = submit(alice.actor, fox)
    assert row.status == Status.QUEUED
    assert row.recording.created_by == alice.user
    assert storage.local_path(row.recording.storage_key).read_bytes() == fox.read_bytes()
    assert Reservation.objects.get().seconds == 3
    assert Quota.objects.get(tenant=alice.tenant).stored_bytes_used == fox.stat().st_size


def refuse(character: Character, path: Path) -> Refused:
    """Submits what must be refused and sees that nothing is left of it."""
    kept = list(storage.local_path("tenants").rglob("original")) if storage.local_path("tenants").exists() else []
    with pytest.raises(Refused) as refusal:
        submit(character.actor, path)
    assert not Recording.objects.exists()
    assert not Reservation.objects.exists()
    assert not UsageMonth.objects.filter(reserved_seconds__gt=0).exists()
    assert Quota.objects.get(tenant=character.tenant).stored_bytes_used == 0
    assert [p for p in storage.local_path("tenants").rglob("original") if p not in kept] == []
    return refusal.value


def test_an_empty_file_is_refused(alice: Character, tmp_path: Path) -> None:
    (tmp_path / "empty.mp3").touch()
    assert refuse(alice, tmp_path / "empty.mp3").code == "empty_file"


def test_what_is_not_audio_is_refused(alice: Character) -> None:
    refused = refuse(alice, Path(__file__))
    assert refused.code == "not_media"


def test_a_recording_over_the_length_limit_is_refused(alice: Character, make_media: MakeMedia) -> None:
    Quota.objects.filter(tenant=alice.tenant).update(recording_seconds=60)
    refused = refuse(alice, make_media.tone("long.mp3", 70))
    assert refused.code == "quota_recording_seconds"
    assert "1 min" in refused.message


def test_too_few_minutes_says_needed_left_and_when_it_resets(alice: Character, make_media: MakeMedia) -> None:
    Quota.objects.filter(tenant=alice.tenant).update(monthly_seconds=45)
    refused = refuse(alice, make_media.tone("long.mp3", 70))
    assert refused.code == "quota_monthly_seconds"
    assert "1 min 1" in refused.message or "1 min 10" in refused.message
    assert "45 s" in refused.message
    assert "resets on 1 " in refused.message


def test_a_full_store_refuses(alice: Character, fox: Path) -> None:
    Quota.objects.filter(tenant=alice.tenant).update(stored_bytes=100)
    assert refuse(alice, fox).code == "quota_stored_bytes"


def test_a_viewer_uploads_nothing(bob: Character, fox: Path) -> None:
    with pytest.raises(PermissionDenied):
        submit(bob.actor, fox)


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"model": "huge-v9"}, "model"),
        ({"language": "klingon"}, "language"),
        ({"task": "sing"}, "task"),
        ({"temperature": "warm"}, "temperature"),
        ({"temperature": 1.5}, "temperature"),
        ({"prompt": "x" * 2001}, "prompt"),
        ({"hotwords": "x" * 2001}, "hotwords"),
        ({"mode": "slow"}, "mode"),
        ({"beam_size": 0}, "beam_size"),
        ({"beam_size": 11}, "beam_size"),
        ({"beam_size": "2.5"}, "beam_size"),
        ({"word_timestamps": "perhaps"}, "word_timestamps"),
    ],
)
def test_options_that_make_no_sense_are_named(options: dict[str, object], param: str) -> None:
    with pytest.raises(InvalidOption) as invalid:
        TranscriptionOptions.checked(**options)  # type: ignore[arg-type]
    assert invalid.value.param == param


def test_options_may_be_words_of_a_form() -> None:
    options = TranscriptionOptions.checked(word_timestamps="true", mode=" Exact", beam_size="5")
    assert (options.word_timestamps, options.mode, options.beam_size) == (True, "exact", 5)
    assert TranscriptionOptions.checked(word_timestamps="", mode="", beam_size="") == TranscriptionOptions.checked()


@pytest.mark.parametrize("text", ["Acme, Dr. Fox", "Acme\nDr.  Fox\n", "Acme、Dr. Fox；Acme", ", Acme;;Dr. Fox"])
def test_names_and_terms_may_stand_in_lines_or_between_commas(text: str) -> None:
    assert TranscriptionOptions.checked(hotwords=text).hotwords == "Acme, Dr. Fox"


@pytest.mark.parametrize("name", ["en", "English", "EN-us", "english "])
def test_a_language_may_be_a_code_or_a_name(name: str) -> None:
    assert TranscriptionOptions.checked(language=name).language == "en"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\a\\会议 记录.mp3", "会议 记录.mp3"),
        ("a\x00b\u202e.mp3", "ab.mp3"),
        ("", "Untitled recording"),
    ],
)
def test_a_file_name_is_only_shown_never_used(given: str, shown: str) -> None:
    assert clean_name(given) == shown


def test_short_work_that_somebody_waits_for_goes_first(alice: Character, fox: Path, make_media: MakeMedia) -> None:
    assert submit(alice.actor, fox, lane=Lane.INTERACTIVE).lane == Lane.INTERACTIVE
    assert submit(alice.actor, make_media.tone("six.mp3", 360), lane=Lane.INTERACTIVE).lane == Lane.STANDARD


def test_a_kept_recording_is_transcribed_again(alice: Character, fox: Path) -> None:
    first = submit(alice.actor, fox)
    second = accept.transcribe_again(alice.actor, first.recording, TranscriptionOptions.checked(task="translate"))
    assert Transcription.objects.count() == 2
    assert second.recording.latest == second
    assert arrive(fox).size == first.recording.bytes


def test_a_short_clip_is_handed_over_decoded_and_only_once(
    alice: Character, fox: Path, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        row = submit(alice.actor, fox, lane=Lane.INTERACTIVE)
    decoded = b"".join(media.decode(fox, row.recording.format, 60))
    assert pcm_cache.take(row.id) == decoded
    assert pcm_cache.take(row.id) is None


def test_what_nobody_waits_for_is_not_handed_over(
    alice: Character, fox: Path, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        row = submit(alice.actor, fox)
    assert pcm_cache.take(row.id) is None

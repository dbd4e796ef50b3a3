"""A file with several audio tracks: which one is transcribed, how another one is chosen, and what is played."""

from __future__ import annotations

import hashlib
from array import array
from functools import partial
from pathlib import Path

import pytest
from django.test import Client

from tests.conftest import Character, MakeMedia
from tests.transcription.characters import submit
from tests.transcription.finishing import VERSION, serve
from transcription import media
from transcription.errors import InvalidOption, Refused
from transcription.fetches import access
from transcription.intake import accept
from transcription.library import recordings
from transcription.media import playable_copies, storage
from transcription.models import Recording, Segment, Transcription
from transcription.options import audio_tracks
from transcription.options.options import TranscriptionOptions
from transcription.queue import claims, lifecycle
from transcription.worker import job, playback

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("within")]


@pytest.fixture(scope="session")
def two_tones(make_media: MakeMedia) -> Path:
    """Track 1 is quiet and lasts 2 s, track 2 is loud, stereo, German and lasts 3 s."""
    quiet = ["-f", "lavfi", "-i", "sine=frequency=300:duration=2,volume=0.1"]
    loud = ["-f", "lavfi", "-i", "sine=frequency=300:duration=3,volume=4,pan=stereo|c0=c0|c1=c0"]
    about = ["-metadata:s:a:1", "language=ger", "-metadata:s:a:1", "title=Commentary"]
    return make_media("two.mka", *quiet, *loud, "-map", "0", "-map", "1", "-c:a", "libopus", *about)


def loudest(path: Path) -> int:
    """The loudest sample of a file's first audio track."""
    sound = b"".join(media.decode(path, media.probe(path, 60, 60).format, 60))
    return max(abs(sample) for sample in array("h", sound))


@pytest.fixture
def served() -> None:
    serve()


def carry_out(row: Transcription) -> Transcription:
    """Claims what is due, which is to be `row`, decodes its sound and completes it as a job does."""
    claim = claims.claim("host/1")
    assert claim is not None
    assert claim.transcription_id == row.id
    row = Transcription.objects.select_related("recording", "tenant__quota").get(id=row.id)
    warnings: list[str] = []
    with job.open_pcm(row, 60, partial(lifecycle.renew, claim), warnings) as pcm:
        sound = b"".join(pcm)
    text = " Loud." if max(abs(sample) for sample in array("h", sound)) > 5000 else " Quiet."
    seconds = len(sound) / media.BYTES_PER_SECOND
    segment = Segment(tenant_id=row.tenant_id, transcription=row, index=0, start=0.0, end=seconds, text=text)
    lifecycle.save_window(claim, [segment], seconds, "en", VERSION)
    row.warnings = warnings
    playback.store_playable_copy(row, seconds)
    lifecycle.complete(claim, text.strip(), seconds, [1], warnings)
    return Transcription.objects.get(id=row.id)


@pytest.mark.usefixtures("served")
def test_the_named_track_is_transcribed_and_played(alice: Character, client: Client, two_tones: Path) -> None:
    first = carry_out(submit(alice.actor, two_tones))
    assert (first.text, first.audio_track, first.audio_track_taken) == ("Quiet.", 0, 1)
    recording = first.recording
    assert [track["number"] for track in audio_tracks.numbered(recording)] == [1, 2]
    assert recording.audio_tracks[1]["language"] == "ger"
    again = accept.transcribe_again(alice.actor, recording, TranscriptionOptions.checked(audio_track="2"))
    second = carry_out(again)
    assert (second.text, second.audio_track_taken) == ("Loud.", 2)
    assert (
        loudest(storage.local_path(playable_copies.key_of(first)))
        < 5000
        < loudest(storage.local_path(playable_copies.key_of(second)))
    )
    client.force_login(alice.user)
    played = client.get(f"/recordings/{recording.id}/media")
    sizes = [storage.local_path(playable_copies.key_of(one)).stat().st_size for one in (first, second)]
    assert (played["Content-Length"], played["Content-Type"]) == (str(sizes[1]), "audio/mp4")
    assert sizes[0] != sizes[1]


@pytest.mark.usefixtures("served")
def test_going_back_to_a_track_shows_its_text_and_its_sound_for_free(alice: Character, two_tones: Path) -> None:
    first = carry_out(submit(alice.actor, two_tones, audio_track=1))
    carry_out(accept.transcribe_again(alice.actor, first.recording, TranscriptionOptions.checked(audio_track=2)))
    back = accept.transcribe_again(alice.actor, first.recording, TranscriptionOptions.checked(audio_track=1))
    recording = recordings.recording(alice.actor, first.recording_id)
    assert recording.latest == back
    assert (back, back.text, back.audio_track_taken) == (first, "Quiet.", 1)
    assert recording.duration_seconds == round(first.saved_seconds, 3) < 2.5
    assert playable_copies.key_of(back) == playable_copies.key_of(first)


@pytest.mark.usefixtures("served")
def test_the_same_file_again_takes_tracks_and_copy_along(alice: Character, two_tones: Path) -> None:
    first = carry_out(submit(alice.actor, two_tones, audio_track=2))
    again = submit(alice.actor, two_tones, audio_track=2)
    assert (again.text, again.reused_from, again.warnings) == ("Loud.", first, first.warnings)
    assert again.recording.audio_tracks == first.recording.audio_tracks
    key = playable_copies.key_of(again)
    assert key not in ("", playable_copies.key_of(first))
    recordings.erase(alice.actor, first.recording_id)
    assert loudest(storage.local_path(key)) > 5000
    recordings.erase(alice.actor, again.recording_id)
    assert not storage.local_path(key).exists()
    quiet = submit(alice.actor, two_tones, audio_track=1)
    assert quiet.reused_from is None, "another track is another text"


@pytest.mark.usefixtures("served")
def test_after_a_named_track_the_automatic_one_is_looked_for(alice: Character, two_tones: Path) -> None:
    named = carry_out(submit(alice.actor, two_tones, audio_track=2))
    assert (named.text, named.recording.audio_track) == ("Loud.", 0)
    automatic = carry_out(accept.transcribe_again(alice.actor, named.recording, TranscriptionOptions.checked()))
    assert (automatic.text, automatic.audio_track_taken) == ("Quiet.", 1)


def test_a_track_that_is_not_there_is_refused_with_how_many_there_are(
    alice: Character, two_tones: Path, fox: Path
) -> None:
    with pytest.raises(InvalidOption, match=r"2 audio tracks.*1 to 2") as refused:
        submit(alice.actor, two_tones, audio_track=3)
    assert (refused.value.param, refused.value.code) == ("audio_track", "no_such_track")
    with pytest.raises(InvalidOption, match="1 audio track"):
        submit(alice.actor, fox, audio_track=2)
    assert not Recording.objects.exists()
    row = submit(alice.actor, two_tones)
    with pytest.raises(InvalidOption, match="1 to 2"):
        accept.transcribe_again(alice.actor, row.recording, TranscriptionOptions.checked(audio_track=3))
    assert Transcription.objects.count() == 1


@pytest.mark.parametrize("arguments", [["-t", "0.05"], ["-t", "30"]])
def test_a_missing_track_is_what_is_wrong_whatever_the_first_track_is_like(
    alice: Character, make_media: MakeMedia, arguments: list[str]
) -> None:
    """Too short, or too long for the tenant."""
    alice.tenant.quota.recording_seconds = 10
    alice.tenant.quota.save()
    path = make_media(f"missing-{arguments[1]}.wav", "-f", "lavfi", "-i", "sine=sample_rate=16000", *arguments)
    with pytest.raises(InvalidOption, match="1 audio track"):
        submit(alice.actor, path, audio_track=2)


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "two", "101", "²", 0, "1e1"])
def test_a_track_is_a_number_from_one(value: str | int) -> None:
    with pytest.raises(InvalidOption) as refused:
        TranscriptionOptions.checked(audio_track=value)
    assert refused.value.param == "audio_track"


def test_every_way_in_knows_the_option() -> None:
    asked = TranscriptionOptions.checked(audio_track=2)
    assert TranscriptionOptions.from_fields({"audio_track": "2"}).audio_track == 2
    assert "audio_track" in access.OPTIONS
    content = hashlib.sha256(b"").hexdigest()
    assert asked.fingerprint(content) != TranscriptionOptions.checked(audio_track=1).fingerprint(content)


def test_a_quota_refusal_is_none_of_the_track(alice: Character, fox: Path) -> None:
    alice.tenant.quota.recording_seconds = 1
    alice.tenant.quota.save()
    with pytest.raises(Refused):
        submit(alice.actor, fox, audio_track=1)

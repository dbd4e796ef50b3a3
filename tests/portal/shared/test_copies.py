"""The copies of sound that links have of their own: made in turn, of the right track, without what is struck."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.db.models import F
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone

from tenants import scope
from tenants.models import Tenant
from tests.conftest import Character, MakeMedia
from tests.portal.shared.conftest import HIGH, LOW, Share, heard, loudness, make_interview, store, strike
from transcription import media
from transcription.library import retention
from transcription.media import storage
from transcription.models import Recording, RedactedSound, Status, Transcription
from transcription.shares import cutting, links, sound
from transcription.shares.links import LinkOptions
from transcription.shares.models import Share as Link
from transcription.strikes import copies
from transcription.transcripts import striking
from transcription.transcripts.revisions import list_tag

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume"),
]


@pytest.fixture
def stalled(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Has something happen while the next copy is made: its maker stalls when it has read the sound."""

    def arrange(meanwhile: Callable[[], object]) -> None:
        write, waiting = sound.write, [meanwhile]

        def stall(*given: Any) -> object:
            made: object = write(*given)
            if waiting:
                waiting.pop()()
            return made

        monkeypatch.setattr(sound, "write", stall)

    return arrange


def copies_of(recording: Recording) -> list[Path]:
    """Returns the files of the links of a recording."""
    return sorted(storage.local_path(recording.storage_key).parent.glob("share-*"))


def make_due(alice: Character) -> None:
    """As when a lease has expired."""
    with scope.bound(alice.tenant.id):
        Link.objects.update(sound_due_at=Now())


def test_who_made_a_copy_for_too_long_puts_nothing_struck_back(
    guest: Client,
    share: Share,
    interview: Transcription,
    recording: Recording,
    alice: Character,
    stalled: Any,
    tmp_path: Path,
) -> None:
    path = share(start=4.0, end=8.0)

    def meanwhile() -> None:
        strike(alice, interview, 5.0, 6.0)
        make_due(alice)
        assert cutting.cut_due() == 1

    stalled(meanwhile)
    assert cutting.cut_due() == 0
    file = tmp_path / "excerpt.m4a"
    file.write_bytes(heard(guest, path))
    pcm = np.frombuffer(b"".join(media.decode(file, "mov,mp4,m4a,3gp,3g2,mj2", 60)), np.int16).astype(float)
    loud = [float(np.abs(pcm[int(at * media.SAMPLE_RATE) :][:8000]).mean()) for at in (0.25, 1.25)]
    assert loud[1] < 0.01 * loud[0]
    assert len(copies_of(recording)) == 1


def test_what_a_bucket_takes_for_minutes_is_made_once(
    share: Share,
    interview: Transcription,
    recording: Recording,
    alice: Character,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made_again, save = list[int](), storage.save

    def save_slowly(path: Path, key: str) -> None:
        with scope.bound(alice.tenant.id):
            Link.objects.update(sound_due_at=F("sound_due_at") - timedelta(minutes=2))
            RedactedSound.objects.update(due_at=F("due_at") - timedelta(minutes=2))
        made_again.append(cutting.cut_due() if "share-" in key else copies.make_due())
        save(path, key)

    share(start=4.0, end=8.0)
    strike(alice, interview, 5.0, 6.0)
    with scope.bound(alice.tenant.id):
        RedactedSound.objects.update(due_at=Now())
    monkeypatch.setattr(storage, "save", save_slowly)
    assert (cutting.cut_due(), copies.make_due()) == (1, 1)
    assert made_again == [0, 0]


def test_whose_sound_goes_while_it_is_made_leaves_no_copy(
    share: Share, recording: Recording, alice: Character, stalled: Any
) -> None:
    def delete_audio() -> None:
        Tenant.objects.filter(id=alice.tenant.id).update(audio_retention_days=1)
        with scope.bound(alice.tenant.id):
            long_ago = timezone.now() - timedelta(days=9)
            Recording.objects.update(created_at=long_ago)
            Transcription.objects.update(status=Status.COMPLETED, finished_at=long_ago)
        assert retention.delete_old_audio() == 1

    share(start=4.0, end=8.0)
    stalled(delete_audio)
    assert cutting.cut_due() == 0
    with scope.bound(alice.tenant.id):
        assert Link.objects.get().sound_key == ""
    assert copies_of(recording) == []


def test_what_is_given_back_is_heard_again_within_seconds(
    guest: Client, share: Share, interview: Transcription, recording: Recording, alice: Character
) -> None:
    path = share()
    strike(alice, interview, 5.0, 6.0)
    assert cutting.cut_due() == 0  # it waits for the portal's redacted copy
    with scope.bound(alice.tenant.id):
        interview.refresh_from_db()
        striking.strike(alice.actor, interview.id, (5.0, 6.0), {list_tag(interview)}, back=True)
    assert "being prepared" in guest.get(path).content.decode()
    assert cutting.cut_due() == 1
    assert heard(guest, path)


@pytest.mark.parametrize("is_visited", [True, False])
def test_a_copy_from_before_a_strike_is_deleted(
    guest: Client,
    share: Share,
    interview: Transcription,
    recording: Recording,
    alice: Character,
    is_visited: bool,
) -> None:
    path = share(start=4.0, end=8.0)
    cutting.cut_due()
    [old] = copies_of(recording)
    strike(alice, interview, 5.0, 6.0)
    if is_visited:
        guest.get(path)
    else:
        assert cutting.drop_ended() == 1
    assert not old.exists()
    assert cutting.cut_due() == 1


def test_it_is_of_the_track_whose_text_is_read(
    guest: Client,
    share: Share,
    interview: Transcription,
    recording: Recording,
    alice: Character,
    make_media: MakeMedia,
    tmp_path: Path,
) -> None:
    tones = [part for tone in (LOW, HIGH) for part in ("-f", "lavfi", "-i", f"sine={tone}:duration=12")]
    store(recording, make_media("tracks.mka", *tones, "-map", "0", "-map", "1", "-c:a", "flac"), "matroska,webm")
    path = share()
    with scope.bound(alice.tenant.id):
        Recording.objects.filter(id=recording.id).update(audio_tracks=[{"channels": 1}] * 2, audio_track=0)
        again = {"tenant": alice.tenant, "recording": recording, "model": "base", "status": Status.COMPLETED}
        Transcription.objects.filter(id=interview.id).update(audio_track=0, status=Status.QUEUED)
    assert cutting.cut_due() == 0  # nobody has chosen a track yet

    def tone() -> int:
        guest.get(path)
        assert cutting.cut_due() == 1
        found = loudness(heard(guest, path), tmp_path)
        return max(found, key=lambda one: found[one])

    with scope.bound(alice.tenant.id):
        Transcription.objects.filter(id=interview.id).update(audio_track=1, status=Status.COMPLETED)
    assert tone() == LOW
    with scope.bound(alice.tenant.id):
        Transcription.objects.create(**again, audio_track=2)
    assert tone() == HIGH
    with scope.bound(alice.tenant.id):
        Transcription.objects.create(**again | {"status": Status.QUEUED}, audio_track=1)
    strike(alice, interview, 5.0, 6.0)  # the portal's redacted copy is of the newest, which has no text yet
    assert tone() == HIGH


def test_one_that_shares_much_keeps_nobody_waiting(
    share: Share, recording: Recording, sent: Path, mallory: Character, monkeypatch: pytest.MonkeyPatch
) -> None:
    for at in range(3):
        share(start=at, end=at + 1.0)
    other = make_interview(mallory).recording
    with scope.bound(mallory.tenant.id):
        store(other, sent, "mp3")
        links.create(mallory.actor, other.id, LinkOptions(start=1.0, end=2.0))
    turns, write = list[object](), sound.write

    def note(row: Link, *given: Any) -> object:
        turns.append(row.tenant_id)
        made: object = write(row, *given)
        return made

    monkeypatch.setattr(sound, "write", note)
    assert cutting.cut_due() == 4
    assert turns.index(mallory.tenant.id) < 2


def test_a_recording_that_is_longer_than_its_file_says_is_tried_until_it_is_transcribed(
    guest: Client, share: Share, recording: Recording, alice: Character, make_media: MakeMedia
) -> None:
    store(recording, make_media("long.mp3", "-f", "lavfi", "-i", "sine=300:duration=70"), "mp3")
    with scope.bound(alice.tenant.id):
        Recording.objects.update(duration_seconds=1.0)
        Transcription.objects.update(status=Status.QUEUED)
    path = share()
    assert cutting.cut_due() == 0
    with scope.bound(alice.tenant.id):
        Recording.objects.update(duration_seconds=70.0)
        Transcription.objects.update(status=Status.COMPLETED)
    make_due(alice)
    assert cutting.cut_due() == 1
    assert heard(guest, path)

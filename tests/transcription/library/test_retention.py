"""Audio and text go after the days their tenant decided."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from tenants import scope
from tenants.models import LedgerEntry, Quota, Role, Tenant
from tests.conftest import Character, create_member
from tests.transcription.characters import submit
from tests.transcription.finishing import finish, serve
from transcription import exports
from transcription.errors import InvalidOption, Refused
from transcription.folders import folders
from transcription.intake import accept
from transcription.library import holds, moving, periods, recordings, retention, retention_settings, tags
from transcription.library.periods import EffectivePeriod
from transcription.library.retention import TextDeleted
from transcription.library.retention_settings import Preview
from transcription.maintenance import rounds, sweeper
from transcription.media import storage
from transcription.models import Loudness, Recording, Segment, Speaker, Status, Transcription
from transcription.options.options import TranscriptionOptions

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("within")]


@pytest.fixture
def done(alice: Character, fox: Path) -> Transcription:
    """Uploaded ten days ago, and transcribed five days ago."""
    row = finish(submit(alice.actor, fox, prompt="Foxes.", hotwords="Renard"))
    age(row, uploaded=10, finished=5)
    return row


@pytest.fixture
def erin(acme: Tenant) -> Character:
    return create_member(acme, "erin@acme.example", Role.EDITOR)


def age(row: Transcription, uploaded: int, finished: int) -> None:
    now = timezone.now()
    Recording.objects.filter(id=row.recording_id).update(created_at=now - timedelta(days=uploaded, seconds=1))
    Transcription.objects.filter(id=row.id).update(finished_at=now - timedelta(days=finished, seconds=1))


def keep(character: Character, audio: int | None = None, text: int | None = None) -> None:
    Tenant.objects.filter(id=character.tenant.id).update(audio_retention_days=audio, text_retention_days=text)


def sweep() -> dict[str, int]:
    """What the hourly round did."""
    return {name: count for name, count in rounds.sweep(sweeper.EVERY_HOUR).items() if count}


def test_without_a_decision_everything_is_kept(done: Transcription) -> None:
    assert sweep() == {}


def test_audio_goes_after_its_days_and_gives_its_room_back(alice: Character, done: Transcription) -> None:
    Loudness.objects.create(tenant=alice.tenant, recording=done.recording, blocks=b"loud")
    keep(alice, audio=11)
    assert retention.delete_old_audio() == 0
    keep(alice, audio=10)
    assert retention.delete_old_audio() == 1
    assert retention.delete_old_audio() == 0
    recording = recordings.recording(alice.actor, done.recording_id)
    assert recording.audio_deleted_at is not None
    assert not storage.local_path(recording.storage_key).exists()
    assert not Loudness.objects.exists()
    assert Quota.objects.get(tenant=alice.tenant).stored_bytes_used == 0
    assert exports.render(done, "txt").body == "The fox.\n"


def test_what_has_no_audio_is_not_transcribed_again_and_says_why(alice: Character, done: Transcription) -> None:
    keep(alice, audio=10)
    retention.delete_old_audio()
    with pytest.raises(Refused) as refused:
        accept.transcribe_again(alice.actor, done.recording, TranscriptionOptions.checked())
    assert refused.value.code == "audio_deleted"
    assert "your organisation keeps audio for 10 days" in refused.value.message
    keep(alice, audio=None)
    assert "as your organisation decided" in retention.why_no_audio(Recording.objects.get())


def test_text_goes_after_its_days_with_its_segments_and_prompt(alice: Character, done: Transcription) -> None:
    Speaker.numbered(done, 0, "Dr. Fox").save()
    keep(alice, text=6)
    assert retention.delete_old_text() == 0
    keep(alice, text=5)
    assert retention.delete_old_text() == 1
    assert retention.delete_old_text() == 0
    done.refresh_from_db()
    assert (done.text, done.prompt, done.hotwords, Segment.objects.count()) == ("", "", "", 0)
    assert not Speaker.objects.exists(), "names are part of what was said"
    with pytest.raises(TextDeleted, match="your organisation keeps text for 5 days"):
        exports.render(recordings.transcription(alice.actor, done.id), "srt")
    assert storage.local_path(done.recording.storage_key).exists()


def test_a_failed_one_s_first_windows_go_too(alice: Character, done: Transcription) -> None:
    Transcription.objects.update(status=Status.FAILED)
    keep(alice, text=5)
    assert retention.delete_old_text() == 1
    assert not Segment.objects.exists()


def test_deleted_text_is_never_reused(alice: Character, fox: Path, done: Transcription) -> None:
    serve()
    keep(alice, text=5)
    assert submit(alice.actor, fox, prompt="Foxes.", hotwords="Renard").reused_from == done
    retention.delete_old_text()
    Transcription.objects.filter(reused_from=done).delete()
    assert submit(alice.actor, fox, prompt="Foxes.", hotwords="Renard").status == Status.QUEUED


def test_a_recording_at_work_is_left_alone(alice: Character, done: Transcription) -> None:
    keep(alice, audio=1, text=1)
    second = accept.transcribe_again(alice.actor, done.recording, TranscriptionOptions.checked())
    assert sweep() == {}
    finish(second)
    assert sweep() == {
        "recordings' audio deleted by retention": 1,
        "transcriptions' text deleted by retention": 1,
    }


def test_what_lost_both_is_removed_and_its_charge_stays(alice: Character, done: Transcription) -> None:
    keep(alice, audio=1, text=1)
    assert sweep()["recordings removed by retention"] == 1
    assert not Recording.objects.exists()
    assert LedgerEntry.objects.get().transcription_id == done.id
    assert Quota.objects.get(tenant=alice.tenant).stored_bytes_used == 0


def test_deleting_what_lost_its_audio_gives_no_room_back_twice(
    alice: Character, fox: Path, done: Transcription
) -> None:
    submit(alice.actor, fox)
    keep(alice, audio=1)
    retention.delete_old_audio()
    recordings.erase(alice.actor, done.recording_id)
    assert Quota.objects.get(tenant=alice.tenant).stored_bytes_used == fox.stat().st_size


def test_audio_that_a_crash_left_behind_is_swept(
    alice: Character, done: Transcription, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(alice, audio=1)
    monkeypatch.setattr(storage, "delete", lambda _key: None)
    retention.delete_old_audio()
    monkeypatch.undo()
    left = storage.local_path(done.recording.storage_key)
    assert left.exists()
    monkeypatch.setattr(sweeper, "ORPHAN_AGE", timedelta(seconds=-1))
    sweeper.drop_orphaned_media()
    assert not left.exists()


def test_each_tenant_decides_for_itself(alice: Character, mallory: Character, fox: Path, done: Transcription) -> None:
    with scope.bound(mallory.tenant.id):
        theirs = finish(submit(mallory.actor, fox))
        age(theirs, uploaded=10, finished=10)
    keep(mallory, audio=1)
    assert sweep() == {"recordings' audio deleted by retention": 1}
    assert storage.local_path(done.recording.storage_key).exists()


def test_more_than_a_batch_goes_in_one_round(
    alice: Character, fox: Path, done: Transcription, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    for _ in range(4):
        age(finish(submit(alice.actor, fox)), uploaded=10, finished=10)
    keep(alice, audio=1)
    assert retention.delete_old_audio() == 5


class TestFoldersAndTags:
    def test_a_folders_days_count_in_place_of_the_organisations_and_of_several_the_shortest(
        self, alice: Character, done: Transcription
    ) -> None:
        keep(alice, audio=5)
        long = folders.create(alice.actor, "Archive")
        retention_settings.set_days(alice.actor, long, 1000, None)
        moving.move(alice.actor, done.recording_id, long)
        assert retention.delete_old_audio() == 0
        tag = tags.put(alice.actor, done.recording_id, "Short")
        retention_settings.set_days(alice.actor, tag, 11, None)
        assert retention.delete_old_audio() == 0
        row = recordings.recording(alice.actor, done.recording_id)
        ends = retention_settings.audio_ends(row)
        assert ends is not None
        assert (ends.decided, ends.at) == (EffectivePeriod(11, "Short"), row.created_at + timedelta(days=11))
        Recording.objects.filter(id=row.id).update(keeps_audio_days=10)  # as a rule does
        row = recordings.recording(alice.actor, row.id)
        assert periods.effective_period(row, periods.AUDIO) == EffectivePeriod(10, by_rule=True)
        retention_settings.set_days(alice.actor, tag, 9, None)
        assert retention.delete_old_audio() == 1
        row = recordings.recording(alice.actor, done.recording_id)
        assert "“Short” keeps audio for 9 days" in retention.why_no_audio(row)
        assert sweep() == {}  # the text is kept for good

    def test_what_is_elsewhere_and_on_hold_stays_and_the_preview_says_what_goes(
        self, alice: Character, done: Transcription, fox: Path
    ) -> None:
        other = finish(submit(alice.actor, fox))
        age(other, uploaded=10, finished=5)
        folder = folders.create(alice.actor, "Calls")
        moving.move(alice.actor, done.recording_id, folder)
        assert retention_settings.preview(alice.actor, folder, 9, 4) == Preview(audio=1, text=1, held=0)
        assert retention_settings.preview(alice.actor, folder, 11, 6) == Preview(audio=0, text=0, held=0)
        holds.hold(alice.actor, done.recording_id, "Lawsuit")
        assert retention_settings.preview(alice.actor, folder, 9, 4) == Preview(audio=0, text=0, held=1)
        retention_settings.set_days(alice.actor, folder, 9, 4)
        assert sweep() == {}
        holds.release(alice.actor, done.recording_id)
        recordings.delete(alice.actor, done.recording_id)  # it goes on in the bin
        assert set(sweep().values()) == {1}
        assert not Recording.objects.filter(id=done.recording_id).exists()  # neither audio nor text is left
        assert Recording.objects.filter(id=other.recording_id, audio_deleted_at=None).exists()

    def test_as_many_different_days_as_there_are_recordings_stop_nothing(
        self, alice: Character, done: Transcription
    ) -> None:
        keep(alice, audio=5)
        row = Recording.objects.get(id=done.recording_id)
        Recording.objects.bulk_create(
            Recording(
                tenant=alice.tenant,
                name=f"{days}",
                created_at=row.created_at,
                bytes=1,
                duration_seconds=1,
                keeps_audio_days=days,
            )
            for days in range(1, 1200)
        )
        assert retention.old_audio(alice.tenant).count() == 10, "of one to nine days, and the one that no rule knows"

    def test_only_owners_and_admins_decide(self, alice: Character, erin: Character, done: Transcription) -> None:
        tag = tags.put(erin.actor, done.recording_id, "Short")
        other = tags.put(erin.actor, done.recording_id, "Other")
        with pytest.raises(PermissionDenied):
            retention_settings.set_days(erin.actor, tag, 1, 1)
        for days in (0, 36_501):
            with pytest.raises(InvalidOption):
                retention_settings.set_days(alice.actor, tag, days, None)
        retention_settings.set_days(alice.actor, tag, 30, None)
        for refused in (
            lambda: tags.delete(erin.actor, tag.id),
            lambda: tags.merge(erin.actor, tag.id, other.id),
            lambda: tags.merge(erin.actor, other.id, tag.id),
        ):
            with pytest.raises(InvalidOption, match="how long"):
                refused()

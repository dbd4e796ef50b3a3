"""Uploads that nobody finishes, and bytes of no upload, are deleted after their time."""

from __future__ import annotations

import os
import shutil
import time
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from django.utils import timezone

from tenants.models import Quota, Reservation, Tenant
from tests.conftest import Character
from tests.transcription.uploads.arrivals import age, begun, path_of, sweep, sweep_stranded
from transcription.errors import Refused
from transcription.library import recordings
from transcription.maintenance import sweeper
from transcription.models import Recording
from transcription.uploads import acceptance, files
from transcription.uploads import access as uploads
from transcription.uploads.files import Locked, LockedFile
from transcription.uploads.models import Upload

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("within")]


def test_a_day_after_its_last_byte_an_upload_is_forgotten(alice: Character, sound: bytes, uploads_dir: Path) -> None:
    row = begun(alice, sound, sent=1000)
    age(row, 23.9)
    assert sweep() == {}
    age(row, 24.1)
    assert sweep() == {"old uploads forgotten": 1}
    assert not Upload.objects.exists()
    assert list(uploads_dir.iterdir()) == []


def test_nobody_forgets_what_somebody_is_sending(alice: Character, sound: bytes) -> None:
    row = begun(alice, sound, sent=1000)
    age(row, 25)
    slot = uploads.locked(row)
    assert sweep() == {}
    slot.write(b"x")
    slot.close()
    assert sweep() == {}, "a byte has come since"


def test_who_opened_a_file_before_it_was_deleted_does_not_write_to_it(alice: Character, sound: bytes) -> None:
    row = begun(alice, sound, sent=1000)
    slot = uploads.locked(row)
    descriptor = os.open(path_of(row), os.O_RDWR)
    slot.drop()
    slot.close()
    with pytest.raises(files.Gone):
        files._lock(descriptor)
    os.close(descriptor)
    with pytest.raises(Refused) as refused:
        uploads.locked(row)
    assert refused.value.code == "upload_gone"


def test_a_lock_dies_with_its_process(alice: Character, sound: bytes) -> None:
    row = begun(alice, sound, sent=1000)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        LockedFile(row.id, row.length)
        os.write(writer, b"!")
        time.sleep(60)
        os._exit(1)
    os.read(reader, 1)
    with pytest.raises(Locked):
        LockedFile(row.id, row.length)
    os.kill(child, 9)
    os.waitpid(child, 0)
    LockedFile(row.id, row.length).close()


def test_what_became_of_it_is_known_for_a_day(alice: Character, sound: bytes) -> None:
    begun(alice, sound)
    sweep()
    Upload.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert sweep() == {"old uploads forgotten": 1}
    assert Recording.objects.count() == 1


def test_bytes_without_an_upload_are_dropped_when_they_are_old(
    alice: Character, sound: bytes, uploads_dir: Path
) -> None:
    row = begun(alice, sound, sent=1000)
    shutil.copy(path_of(row), uploads_dir / "notes.txt")
    Upload.objects.all().delete()
    assert sweep() == {}
    then = time.time() - 25 * 3600
    for path in uploads_dir.iterdir():
        os.utime(path, (then, then))
    assert sweep() == {"stray uploads dropped": 1}
    assert [path.name for path in uploads_dir.iterdir()] == ["notes.txt"]


def test_a_lost_file_is_looked_for_a_day_and_then_said_to_be_lost(alice: Character, sound: bytes) -> None:
    row = begun(alice, sound)
    acceptance.arrived(row)
    files.drop(row.id)
    assert sweep() == {}
    assert Upload.objects.get().state == Upload.State.ARRIVED
    Upload.objects.update(not_before=timezone.now(), expires_at=timezone.now() - timedelta(hours=1))
    sweep()
    assert Upload.objects.get().problem["code"] == "upload_lost"


@pytest.mark.parametrize("keeps_audio", [None, 400, 7, 0])
def test_what_a_switched_off_tenant_sent_goes_after_a_month_however_long_it_keeps_audio(
    keeps_audio: int | None, alice: Character, sound: bytes, uploads_dir: Path
) -> None:
    row, half = begun(alice, sound), begun(alice, sound, sent=1000)
    Tenant.objects.update(is_active=False, audio_retention_days=keeps_audio)
    sweep()
    age(half, 25)
    assert sweep() == {"old uploads forgotten": 1}, "what is not whole goes after a day, as everybody's does"
    with time_machine.travel(timezone.now() + timedelta(days=30, minutes=-1)):
        assert (sweep(), sweep_stranded()) == ({}, 0)
    with time_machine.travel(timezone.now() + timedelta(days=30, minutes=1)):
        assert sweep_stranded() == 1
    assert not Upload.objects.filter(id=row.id).exists()
    assert list(uploads_dir.iterdir()) == []
    assert not Reservation.objects.exists()
    Tenant.objects.update(is_active=True)
    begun(alice, sound)
    assert (sweep()["uploads settled"], Quota.objects.get().stored_bytes_used) == (1, len(sound))


def test_what_comes_back_in_time_is_accepted_however_old_it_is(alice: Character, sound: bytes) -> None:
    begun(alice, sound)
    Tenant.objects.update(is_active=False)
    sweep()
    with time_machine.travel(timezone.now() + timedelta(days=40)):
        Tenant.objects.update(is_active=True)
        assert sweep_stranded() == 0
        assert sweep() == {"uploads settled": 1}


def test_nobody_forgets_what_is_being_accepted(alice: Character, sound: bytes) -> None:
    row = begun(alice, sound)
    sweep_arrivals = sweeper.ARRIVALS["uploads found whole"]
    assert sweep_arrivals() == 1
    Tenant.objects.update(is_active=False)
    slot = uploads.locked(row)
    with time_machine.travel(timezone.now() + timedelta(days=40)):
        assert sweep_stranded() == 0
        slot.close()
        assert sweep_stranded() == 1


def test_a_recording_that_is_purged_takes_its_upload_along(alice: Character, sound: bytes) -> None:
    begun(alice, sound)
    sweep()
    recordings.erase(alice.actor, Recording.objects.get().id)
    assert not Upload.objects.exists()


def test_a_cancelled_request_leaves_its_thread_the_file(alice: Character, sound: bytes) -> None:
    row = begun(alice, sound, sent=1000)
    slot = uploads.locked(row)
    with slot.held():
        slot.close()
        with pytest.raises(Locked):
            LockedFile(row.id, row.length)
    LockedFile(row.id, row.length).close()
    with pytest.raises(files.Gone):
        slot.write(b"x")
    assert files.size(row.id) == 1000

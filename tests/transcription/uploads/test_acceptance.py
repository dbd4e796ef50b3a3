"""Complete uploads become recordings once, whenever a process is killed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from tenants import scope
from tenants.models import ApiKey, Quota, Reservation, Tenant
from tests.conftest import Character, FakeFfmpeg
from tests.transcription.uploads.arrivals import age, begun, path_of, sweep
from transcription import media
from transcription.intake import commit
from transcription.media import storage
from transcription.models import Recording, Transcription
from transcription.uploads import acceptance, files
from transcription.uploads import access as uploads
from transcription.uploads.files import LockedFile
from transcription.uploads.models import Upload

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("within")]


class Killed(BaseException):
    """The process ends here: nothing after it runs."""


def test_a_whole_file_that_nobody_noted_is_accepted_after_a_restart(alice: Character, sound: bytes) -> None:
    row = begun(alice, sound)
    assert sweep() == {"uploads found whole": 1, "uploads settled": 1}
    assert sweep() == {}
    row.refresh_from_db()
    assert row.state == Upload.State.ACCEPTED
    assert row.recording_id == Recording.objects.get().id
    recording = Recording.objects.get()
    assert recording.created_by == alice.user
    assert storage.local_path(recording.storage_key).read_bytes() == sound
    assert Quota.objects.get(tenant=alice.tenant).stored_bytes_used == len(sound)


@pytest.mark.parametrize(
    ("where", "name"),
    [
        (acceptance, "_sha256"),
        (acceptance, "_decide"),
        (media, "probe"),
        (storage, "save"),
        (commit, "commit"),
        (commit, "_note"),
        (acceptance, "_settled"),
        (LockedFile, "drop"),
    ],
)
@pytest.mark.parametrize("after", [False, True])
def test_killed_anywhere_on_the_way_it_is_accepted_once(
    alice: Character, sound: bytes, monkeypatch: pytest.MonkeyPatch, where: Any, name: str, after: bool
) -> None:
    row = begun(alice, sound)
    real: Callable[..., Any] = getattr(where, name)

    def killed(*arguments: Any, **named: Any) -> Any:
        if after:
            real(*arguments, **named)
        raise Killed

    monkeypatch.setattr(where, name, killed)
    slot = uploads.locked(row)
    with pytest.raises(Killed):
        acceptance.settle_under_lock(row, slot)
    slot.close()
    monkeypatch.setattr(where, name, real)
    connection.close()
    sweep()
    assert Upload.objects.get().state == Upload.State.ACCEPTED
    recording = Recording.objects.get()
    assert storage.local_path(recording.storage_key).read_bytes() == sound
    assert Transcription.objects.count() == Reservation.objects.count() == 1
    assert Quota.objects.get(tenant=alice.tenant).stored_bytes_used == len(sound)


def test_many_at_once_accept_it_once(alice: Character, sound: bytes) -> None:
    row = begun(alice, sound)
    acceptance.arrived(row)
    start = threading.Barrier(4)

    def accept() -> None:
        with scope.bound(alice.tenant.id):
            start.wait()
            acceptance.settle(Upload.objects.select_related("tenant__quota").get())
            connection.close()

    threads = [threading.Thread(target=accept) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Recording.objects.count() == Reservation.objects.count() == 1
    assert Upload.objects.get().state == Upload.State.ACCEPTED


def test_a_fault_of_ours_is_tried_again_later_and_loses_nothing(
    alice: Character, sound: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = begun(alice, sound)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(storage, "save", full)
        assert sweep() == {"uploads found whole": 1}
        assert sweep() == {}, "it waits a little"
    row.refresh_from_db()
    assert (row.state, row.tries) == (Upload.State.ARRIVED, 1)
    assert timezone.now() < row.not_before < timezone.now() + timedelta(seconds=6)
    Upload.objects.update(not_before=timezone.now())
    assert sweep() == {"uploads settled": 1}
    assert Recording.objects.count() == 1


def test_a_reader_that_somebody_killed_is_no_reason_to_refuse_the_file(
    alice: Character, sound: bytes, fake_ffmpeg: FakeFfmpeg
) -> None:
    begun(alice, sound)
    with fake_ffmpeg("kill -KILL $$"):
        sweep()
    waiting = Upload.objects.get()
    assert (waiting.state, waiting.tries, waiting.problem) == (Upload.State.ARRIVED, 1, {})
    with time_machine.travel(timezone.now() + timedelta(minutes=1)):
        assert sweep() == {"uploads settled": 1}
    assert Recording.objects.get().bytes == len(sound)


def test_a_file_that_costs_every_reader_its_life_is_refused_in_the_end_with_the_way_out(
    alice: Character, sound: bytes, uploads_dir: Path, fake_ffmpeg: FakeFfmpeg
) -> None:
    begun(alice, sound)
    with fake_ffmpeg("kill -KILL $$"), time_machine.travel(timezone.now()) as clock:
        for _try in range(acceptance.MOST_INTERRUPTIONS - 1):
            sweep()
            assert Upload.objects.get().state == Upload.State.ARRIVED
            clock.shift(timedelta(seconds=1.25 * acceptance.BACKOFF.delays[-1]))
        assert sweep() == {"uploads settled": 1}
    refused = Upload.objects.get()
    assert (refused.state, refused.problem["code"]) == ("refused", "too_complex")
    assert "Convert it" in refused.problem["detail"]
    assert list(uploads_dir.iterdir()) == []
    assert Quota.objects.get(tenant=alice.tenant).stored_bytes_used == 0


def test_other_faults_of_ours_are_no_reason_to_refuse_a_file_whose_reader_dies_once(
    alice: Character, sound: bytes, fake_ffmpeg: FakeFfmpeg
) -> None:
    begun(alice, sound)
    Upload.objects.update(tries=1000)
    with fake_ffmpeg("kill -KILL $$"):
        sweep()
    assert Upload.objects.get().state == Upload.State.ARRIVED


def test_what_the_quota_no_longer_allows_is_refused_at_the_end(alice: Character, sound: bytes) -> None:
    row = begun(alice, sound)
    Quota.objects.filter(tenant=alice.tenant).update(monthly_seconds=5)
    sweep()
    row.refresh_from_db()
    assert (row.state, row.problem["code"]) == ("refused", "quota_monthly_seconds")
    assert "resets_at" in row.problem
    assert files.size(row.id) == 0
    assert Quota.objects.get(tenant=alice.tenant).stored_bytes_used == 0


def test_media_of_an_upload_counts_as_new_however_long_it_took(alice: Character, sound: bytes) -> None:
    """The sweep of orphans must not take it between its storing and its row."""
    row = begun(alice, sound)
    age(row, 20)
    sweep()
    kept = Recording.objects.get().storage_key
    assert kept in storage.keys_older_than(timezone.now() + timedelta(minutes=1))
    assert kept not in storage.keys_older_than(timezone.now() - timedelta(minutes=1))


def test_a_file_system_without_second_names_is_no_obstacle(
    alice: Character, sound: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", no_links)
    begun(alice, sound)
    assert sweep()["uploads settled"] == 1


def test_whoever_leaves_meanwhile_takes_nothing_along(alice: Character, sound: bytes) -> None:
    begun(alice, sound)
    alice.member.delete()
    ApiKey.objects.update(revoked_at=timezone.now())
    sweep()
    assert Recording.objects.get().created_by is None


def test_a_tenant_that_is_switched_off_waits(alice: Character, sound: bytes) -> None:
    begun(alice, sound)
    Tenant.objects.update(is_active=False)
    assert sweep() == {"uploads found whole": 1}
    Tenant.objects.update(is_active=True)
    assert sweep() == {"uploads settled": 1}


def test_a_tenants_slow_files_keep_nobody_elses_waiting(
    alice: Character, mallory: Character, fox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hers came first, and are not done before Alice's is."""
    probe, hers_is_done = media.probe, threading.Event()
    waited: list[bool] = []

    def probe_slowly(path: Path, *rest: Any) -> media.Probe:
        if path.stem in slow:
            waited.append(hers_is_done.wait(20))
        return probe(path, *rest)

    monkeypatch.setattr(media, "probe", probe_slowly)
    with scope.bound(mallory.tenant.id):
        slow = {path_of(begun(mallory, fox.read_bytes() + bytes(number))).name for number in range(1, 4)}
    row = begun(alice, fox.read_bytes())

    def wait_for_alices() -> None:
        with scope.bound(alice.tenant.id):
            while not Upload.objects.filter(id=row.id, state=Upload.State.ACCEPTED).exists():
                time.sleep(0.02)
        hers_is_done.set()
        connection.close()

    watcher = threading.Thread(target=wait_for_alices, daemon=True)
    watcher.start()
    assert sweep() == {"uploads found whole": 4, "uploads settled": 4}
    assert waited == [True] * 3
    watcher.join(20)

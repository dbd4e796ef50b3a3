"""A file in a watched folder or bucket becomes a recording once, whoever sees it, and wherever one dies."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from tenants.models import Maintenance, Quota
from tests.conftest import Character
from tests.transcription.exchange.test_deliveries import names_in
from transcription.exchange import disk
from transcription.exchange.models import Arrival, Place
from transcription.folders import folders
from transcription.inbox import arrivals, polling, taking
from transcription.models import Recording, Transcription, Way
from transcription.rules import editing

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("within")]


@pytest.fixture
def inside(folder: Place, root: Path) -> Path:
    path = root / str(folder.tenant_id) / "radio" / "in"
    path.mkdir(parents=True)
    return path


def rested() -> int:
    """Looks, and takes in what it found as if it had rested."""
    polling.look_into_all()
    Arrival.objects.filter(attempts_made=0).update(next_attempt_at=Arrival.objects.values("created_at")[:1])
    return taking.take_due()


def test_a_file_that_rests_becomes_a_recording_under_the_rules(
    alice: Character, folder: Place, inside: Path, root: Path, fox: Path
) -> None:
    secret = folders.create(alice.actor, "Secret", restricted=True)
    editing.create(alice.actor, "Radio", {"way": "watched"}, {"options": {"language": "de"}, "folder": "Secret"})
    shutil.copyfile(fox, inside / "news.wav")
    assert taking.take_due() == 0, "it may still grow"
    assert rested() == 1
    row = Recording.objects.get()
    assert (row.name, row.way, row.folder) == ("news.wav", Way.WATCHED, secret)
    assert row.transcriptions.get().language == "de"
    assert (names_in(folder, root, "in"), names_in(folder, root, "done")) == ([], ["news.wav"])
    assert Arrival.objects.get().state == "done"

    shutil.copyfile(fox, inside / "news.wav")
    assert rested() == 1
    assert Recording.objects.count() == 2, "put there again, it is another recording"
    assert len(names_in(folder, root, "done")) == 2


def test_a_file_that_grows_is_left_alone(folder: Place, inside: Path, fox: Path) -> None:
    (inside / "news.wav").write_bytes(fox.read_bytes()[:1000])
    polling.look_into_all()
    with (inside / "news.wav").open("ab") as file:
        file.write(fox.read_bytes()[1000:])
    Arrival.objects.update(next_attempt_at=Arrival.objects.values("created_at")[:1])
    claim = arrivals.claim()
    assert claim is not None
    taking.take(claim, threading.Event())
    assert not Recording.objects.exists()
    assert rested() == 1
    assert Recording.objects.get().bytes == fox.stat().st_size


def test_what_is_refused_lies_in_failed_with_the_reason(
    alice: Character, folder: Place, inside: Path, root: Path
) -> None:
    (inside / "minutes.docx").write_text("Not sound.")
    (inside / ".hidden").write_text("Not ours.")
    (inside / "still.mp3.part").write_text("Not whole.")
    assert rested() == 1
    assert names_in(folder, root, "failed") == ["minutes.docx", "minutes.docx.txt"]
    assert "not audio" in (root / str(folder.tenant_id) / "radio" / "failed" / "minutes.docx.txt").read_text()
    assert names_in(folder, root, "in") == [".hidden", "still.mp3.part"]
    assert not Recording.objects.exists()


def test_links_are_not_followed(folder: Place, inside: Path, fox: Path, tmp_path: Path) -> None:
    (inside / "link.wav").symlink_to(fox)
    os.mkfifo(inside / "pipe.wav")
    assert rested() == 0
    assert not Arrival.objects.exists()


def test_without_minutes_and_in_maintenance_it_stays_until_that_is_over(
    alice: Character, folder: Place, inside: Path, root: Path, fox: Path
) -> None:
    maintenance = Maintenance.objects.create()
    Quota.objects.filter(tenant=alice.tenant).update(monthly_seconds=1)
    shutil.copyfile(fox, inside / "news.wav")
    assert rested() == 1
    assert Arrival.objects.get().state == "waiting"
    maintenance.ended_at = timezone.now()
    maintenance.save()
    Arrival.objects.update(next_attempt_at=Arrival.objects.values("created_at")[:1])
    assert taking.take_due() == 1
    row = Arrival.objects.get()
    assert (row.state, names_in(folder, root, "in")) == ("waiting", ["news.wav"])
    assert "are left this month" in row.last_error
    Quota.objects.filter(tenant=alice.tenant).update(monthly_seconds=1000)
    assert taking.take_due() == 0
    Arrival.objects.update(next_attempt_at=row.created_at)
    assert taking.take_due() == 1
    assert Recording.objects.count() == 1


def test_a_crash_between_accepting_and_moving_makes_no_double(
    folder: Place, inside: Path, root: Path, fox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copyfile(fox, inside / "news.wav")

    def die(*arguments: object) -> None:
        raise MemoryError

    with monkeypatch.context() as broken:
        broken.setattr(disk, "move", die)
        with pytest.raises(MemoryError):
            rested()
    assert Arrival.objects.get().state == "accepted"
    assert polling.look_into_all() == 0, "another sweeper knows the file"
    assert taking.take_due() == 0, "the lease of the dead one stands"
    Arrival.objects.update(next_attempt_at=Arrival.objects.values("created_at")[:1])
    assert taking.take_due() == 1
    assert Transcription.objects.count() == Recording.objects.count() == 1
    assert names_in(folder, root, "done") == ["news.wav"]


def test_of_two_sweepers_one_takes_a_file(folder: Place, inside: Path, fox: Path) -> None:
    """The second has seen the row before the first claimed it, and its lease then ran out."""
    shutil.copyfile(fox, inside / "news.wav")
    polling.look_into_all()
    Arrival.objects.update(next_attempt_at=Arrival.objects.values("created_at")[:1])
    first = arrivals.claim()
    assert first is not None
    assert arrivals.claim() is None
    Arrival.objects.update(next_attempt_at=Arrival.objects.values("created_at")[:1])
    second = arrivals.claim()
    assert second is not None
    taking.take(second, threading.Event())
    taking.take(first, threading.Event())
    assert Recording.objects.count() == 1


def test_whoever_must_stop_hands_back_what_is_being_read(bucket: Place, s3: Any, fox: Path) -> None:
    s3.put_object(Bucket="acme", Key="voice/in/news.wav", Body=fox.read_bytes())
    polling.look_into_all()
    claim, stop = arrivals.claim(), threading.Event()
    assert claim is not None
    stop.set()
    taking.take(claim, stop)
    row = Arrival.objects.get()
    assert (row.state, row.attempts_made) == ("waiting", 0)
    assert taking.take_due() == 1
    assert Recording.objects.count() == 1


def test_objects_of_a_bucket_arrive_and_are_moved(alice: Character, bucket: Place, s3: Any, fox: Path) -> None:
    s3.put_object(Bucket="acme", Key="voice/in/news ünd more.wav", Body=fox.read_bytes())
    s3.put_object(Bucket="acme", Key="voice/in/deep/er.wav", Body=fox.read_bytes())
    s3.put_object(Bucket="acme", Key="voice/in/minutes.txt", Body=b"Not sound.")
    assert taking.take_due() == 2
    assert Recording.objects.get().name == "news ünd more.wav"
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket="acme")["Contents"]]
    assert sorted(keys) == [
        "voice/done/news ünd more.wav",
        "voice/failed/minutes.txt",
        "voice/failed/minutes.txt.txt",
        "voice/in/deep/er.wav",
    ]
    assert taking.take_due() == 0


def test_nothing_is_taken_from_what_is_not_watched(folder: Place, inside: Path, fox: Path) -> None:
    shutil.copyfile(fox, inside / "news.wav")
    Place.objects.update(is_watched=False)
    assert rested() == 0


def test_attempts_are_counted_as_far_as_their_column_goes(folder: Place, inside: Path, fox: Path) -> None:
    shutil.copyfile(fox, inside / "news.wav")
    polling.look_into_all()
    Arrival.objects.update(attempts_made=32_767, next_attempt_at=timezone.now())
    assert arrivals.claim() is not None
    assert Arrival.objects.get().attempts_made < 32_767

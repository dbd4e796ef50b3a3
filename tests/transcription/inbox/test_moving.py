"""No file is lost or taken in twice, whatever becomes of it, its name or its place meanwhile."""

from __future__ import annotations

import shutil
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from tenants.models import AuditEntry
from tests.conftest import Character
from tests.transcription.exchange.test_deliveries import names_in
from tests.transcription.inbox.test_inbox import inside, rested
from transcription.errors import InvalidOption
from transcription.exchange import disk, places
from transcription.exchange.models import Arrival, Place
from transcription.exchange.places import PlaceSettings
from transcription.inbox import arrivals, polling, taking
from transcription.library import recordings
from transcription.models import Recording
from transcription.outbound import s3 as outbound_s3

__all__ = ["inside"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("within")]
THERE = "voice/in/news.wav"


def keys(s3: Any) -> list[str]:
    return sorted(one["Key"] for one in s3.list_objects_v2(Bucket="acme")["Contents"])


def due_again() -> None:
    Arrival.objects.filter(finished_at=None).update(next_attempt_at=timezone.now())


def test_an_object_that_is_replaced_before_it_is_read_is_one_recording(bucket: Place, s3: Any, fox: Path) -> None:
    s3.put_object(Bucket="acme", Key=THERE, Body=fox.read_bytes()[:60_000])
    assert polling.look_into_all() == 1
    s3.put_object(Bucket="acme", Key=THERE, Body=fox.read_bytes())
    claim = arrivals.claim()
    assert claim is not None
    taking.take(claim, threading.Event())
    assert not Recording.objects.exists(), "it is no longer what was listed"
    assert taking.take_due() == 1
    assert Recording.objects.get().bytes == fox.stat().st_size
    assert keys(s3) == ["voice/done/news.wav"]


def test_an_object_that_is_replaced_while_it_is_moved_is_another_recording(
    bucket: Place, s3: Any, fox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.put_object(Bucket="acme", Key=THERE, Body=fox.read_bytes()[:60_000])
    send = outbound_s3._send

    def and_replace(request: Any, *more: Any, **named: Any) -> Any:
        answer = send(request, *more, **named)
        if "x-amz-copy-source" in {name.lower() for name in request.headers}:
            monkeypatch.setattr(outbound_s3, "_send", send)
            s3.put_object(Bucket="acme", Key=THERE, Body=fox.read_bytes())
        return answer

    monkeypatch.setattr(outbound_s3, "_send", and_replace)
    assert taking.take_due() == 1
    assert taking.take_due() == 1
    assert sorted(Recording.objects.values_list("bytes", flat=True)) == [60_000, fox.stat().st_size]
    own = f"voice/done/news-{Arrival.objects.order_by('-created_at')[0].id.hex[:12]}.wav"
    assert keys(s3) == sorted(["voice/done/news.wav", own]), "both originals are kept"


def test_a_file_that_is_replaced_while_it_is_moved_stays(
    folder: Place, inside: Path, root: Path, fox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (inside / "minutes.docx").write_text("Not sound.")
    write = disk.write

    def slowly(*arguments: Any) -> None:
        shutil.copyfile(fox, inside / "minutes.docx")
        write(*arguments)

    with monkeypatch.context() as slow:
        slow.setattr(disk, "write", slowly)
        assert rested() == 1
    assert (root / str(folder.tenant_id) / "radio" / "failed" / "minutes.docx").read_text() == "Not sound."
    assert (inside / "minutes.docx").stat().st_size == fox.stat().st_size


def test_a_recording_that_is_erased_before_its_file_was_moved_does_not_come_back(
    alice: Character, folder: Place, inside: Path, root: Path, fox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copyfile(fox, inside / "news.wav")

    def die(*arguments: object) -> None:
        raise MemoryError

    with monkeypatch.context() as broken:
        broken.setattr(disk, "move", die)
        with pytest.raises(MemoryError):
            rested()
    recordings.erase(alice.actor, Recording.objects.get().id)
    assert polling.look_into_all() == 0, "the file is known"
    due_again()
    assert taking.take_due() == 1
    assert (names_in(folder, root, "in"), names_in(folder, root, "done")) == ([], ["news.wav"])
    assert not Recording.objects.exists()
    assert arrivals.forget_old() == 1, "its name is forgotten"


@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize("dies_at", ["done", "news"])
def test_wherever_the_moving_breaks_off_it_is_finished(
    folder: Place, inside: Path, root: Path, fox: Path, monkeypatch: pytest.MonkeyPatch, dies_at: str
) -> None:
    shutil.copyfile(fox, inside / "news.wav")
    move = disk.move

    def die(source: int, name: str, target: int, new_name: str) -> None:
        if dies_at in (name.partition(".")[0], "done" if source != target else ""):
            raise MemoryError
        move(source, name, target, new_name)

    with monkeypatch.context() as broken:
        broken.setattr(disk, "move", die)
        with pytest.raises(MemoryError):
            rested()
    due_again()
    assert taking.take_due() == 1
    assert Recording.objects.count() == 1
    assert (names_in(folder, root, "in"), names_in(folder, root, "done")) == ([], ["news.wav"])


def test_what_lies_under_a_name_is_never_overwritten(
    bucket: Place, s3: Any, folder: Place, inside: Path, root: Path, fox: Path
) -> None:
    failed = root / str(folder.tenant_id) / "radio" / "failed"
    (failed / "minutes").mkdir(parents=True)
    for name in ("a.txt", "a", "minutes"):
        (inside / name).write_text(f"{name} is not sound.")
        s3.put_object(Bucket="acme", Key=f"voice/in/{name}", Body=f"{name} is not sound.".encode())
        rested()
    there = {path.read_text() for path in failed.iterdir() if path.is_file()}
    in_bucket = {s3.get_object(Bucket="acme", Key=key)["Body"].read().decode() for key in keys(s3)}
    for name in ("a.txt", "a", "minutes"):
        assert f"{name} is not sound." in there & in_bucket
    assert not Arrival.objects.filter(finished_at=None).exists(), "a folder that has its name holds up no file"


def test_the_longest_key_is_taken_in(bucket: Place, s3: Any, fox: Path) -> None:
    name = "ü" * 500 + ".wav"
    s3.put_object(Bucket="acme", Key=f"voice/in/{name}", Body=fox.read_bytes())
    assert taking.take_due() == 1
    assert Arrival.objects.get().state == "done"
    (key,) = keys(s3)
    assert key.startswith("voice/done/üü")
    assert key.endswith(".wav")


def test_neither_what_lies_deeper_nor_what_waits_hides_an_object(
    bucket: Place, s3: Any, fox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbound_s3, "LISTED", 2)
    monkeypatch.setattr(outbound_s3, "PAGE", 2, raising=False)
    for n in range(5):
        s3.put_object(Bucket="acme", Key=f"voice/in/deep/{n}.wav", Body=b"deeper")
        s3.put_object(Bucket="acme", Key=f"voice/in/e{n}.wav", Body=b"sound")
    s3.put_object(Bucket="acme", Key=THERE, Body=b"sound")
    assert [polling.look_into_all() for _ in range(4)] == [2, 2, 2, 0]


def test_a_place_goes_nowhere_else_while_what_was_taken_in_still_lies_there(
    alice: Character, folder: Place, inside: Path, root: Path, fox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copyfile(fox, inside / "news.wav")
    wanted = PlaceSettings(name="Server", kind="folder", path="radio", is_watched=True)
    polling.look_into_all()
    places.change(alice.actor, folder.id, replace(wanted, path="tv"))
    assert not Arrival.objects.exists(), "what waited is found again where it is"
    places.change(alice.actor, folder.id, wanted)

    def die(*arguments: object) -> None:
        raise MemoryError

    with monkeypatch.context() as broken:
        broken.setattr(disk, "move", die)
        with pytest.raises(MemoryError):
            rested()
    with pytest.raises(InvalidOption, match="still lies there"):
        places.change(alice.actor, folder.id, replace(wanted, path="tv"))
    places.change(alice.actor, folder.id, replace(wanted, name="Studio", is_watched=False))
    due_again()
    assert taking.take_due() == 1, "moving ends what was begun"
    places.change(alice.actor, folder.id, replace(wanted, path="tv"))
    assert Recording.objects.count() == 1
    told = AuditEntry.objects.filter(action="place.changed").order_by("-created_at", "-id")[0].details
    kept = {"name": "Server", "kind": "folder", "watched": True, "paused": False, "path": "tv"}
    assert told == kept | {"fields": told["fields"]}
    assert told["fields"] == ["name", "path", "is_watched"]

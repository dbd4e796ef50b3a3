"""What a rule has delivered lies in the tenant's folder or bucket once the text is there, and again after a failure."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.conf import LazySettings
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import Http404
from django.utils import timezone

from tenants import scope
from tenants.models import AuditEntry, Role
from tests.conftest import Character, create_member
from tests.race import meeting
from tests.transcription.characters import arrive, submit
from tests.transcription.finishing import finish, serve
from transcription.errors import InvalidOption
from transcription.exchange import deliveries, disk, places, sender
from transcription.exchange.models import Delivery, Place
from transcription.exchange.places import PlaceSettings
from transcription.folders import folders
from transcription.intake import accept
from transcription.library import moving
from transcription.maintenance import rounds, sweeper
from transcription.models import Transcription
from transcription.options.options import TranscriptionOptions
from transcription.rules import editing
from transcription.transcripts import striking
from transcription.transcripts.revisions import ANY

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("within")]


def deliver_to(character: Character, place: Place, *formats: str) -> None:
    given = {"deliveries": [{"place": str(place.id), "formats": formats}]}
    editing.create(character.actor, f"To {place}", {}, given)


def names_in(place: Place, root: Path, part: str = "out") -> list[str]:
    return sorted(path.name for path in (root / str(place.tenant_id) / place.path / part).glob("*"))


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite lets one write after the other")
@pytest.mark.django_db(transaction=True)
def test_of_two_sweepers_that_claim_in_the_same_moment_one_wins(alice: Character, folder: Place, fox: Path) -> None:
    deliver_to(alice, folder, "txt")
    serve()
    finish(submit(alice.actor, fox))
    claims = meeting(Delivery.objects.all(), 2, deliveries.claim)
    assert [one is None for one in claims].count(True) == 1


def test_exports_lie_in_the_folder_when_the_text_is_there(
    alice: Character, folder: Place, root: Path, fox: Path
) -> None:
    deliver_to(alice, folder, "srt")
    deliver_to(alice, folder, "txt")
    serve()
    row = submit(alice.actor, fox)
    assert sender.send_due() == 0, "there is no text yet"
    finish(row)
    assert sender.send_due() == 1
    stem = f"quick_brown_fox-{row.recording_id.hex[:12]}"
    assert names_in(folder, root) == [f"{stem}.srt", f"{stem}.txt"]
    text = root / str(alice.tenant.id) / "radio" / "out" / f"{stem}.txt"
    assert "The fox." in text.read_text()
    assert Delivery.objects.get().state == "delivered"
    entry = AuditEntry.objects.get(action="transcript.exported")
    assert (entry.actor_kind, entry.details) == ("system", {"format": "srt,txt", "place": "Server"})

    deliveries.again(alice.actor, folder.id, Delivery.objects.get().id)
    assert sender.send_due() == 1
    assert len(names_in(folder, root)) == 2, "in the place of what was there"


def test_nothing_of_struck_words_goes_out(alice: Character, folder: Place, root: Path, fox: Path) -> None:
    deliver_to(alice, folder, "txt", "json")
    serve()
    row = finish(submit(alice.actor, fox))
    striking.strike(alice.actor, row.id, (0.0, 2.9), {ANY})
    assert sender.send_due() == 1
    for name in names_in(folder, root):
        text = (root / str(alice.tenant.id) / "radio" / "out" / name).read_text()
        assert "fox" not in text.replace(row.recording.name, "")


def test_of_somebodys_private_folder_nothing_goes_out(alice: Character, folder: Place, root: Path, fox: Path) -> None:
    deliver_to(alice, folder, "txt")
    serve()
    erin = create_member(alice.tenant, "erin@acme.example", Role.EDITOR)
    private = folders.private(erin.actor)
    own = accept.accept(erin.actor, arrive(fox), TranscriptionOptions.checked(), "upload", folder=private)
    finish(own)
    assert not Delivery.objects.exists()
    later = submit(erin.actor, fox, temperature=0.5)
    moving.move(erin.actor, later.recording_id, private)
    finish(later)
    assert sender.send_due() == 0
    assert names_in(folder, root) == []
    moving.move(erin.actor, later.recording_id, None)
    assert sender.send_due() == 1


@pytest.mark.parametrize("is_asked_again", [True, False])
def test_words_that_are_struck_while_exports_are_written_do_not_stay_in_the_place(
    alice: Character,
    folder: Place,
    root: Path,
    fox: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_asked_again: bool,
) -> None:
    """A slow writer ends when others have written what is struck by then."""
    deliver_to(alice, folder, "txt", "srt")
    serve()
    row = finish(submit(alice.actor, fox))
    write = disk.write

    def slowly(*arguments: Any) -> None:
        monkeypatch.setattr(disk, "write", write)
        striking.strike(alice.actor, row.id, (0.0, 2.9), {ANY})
        if is_asked_again:
            deliveries.again(alice.actor, folder.id, Delivery.objects.get().id)
            assert sender.send_due() == 1
        write(*arguments)

    monkeypatch.setattr(disk, "write", slowly)
    assert sender.send_due() >= 1
    with time_machine.travel(timezone.now() + deliveries.LEASE):
        sender.send_due()
    assert Delivery.objects.get().state == "delivered"
    for name in names_in(folder, root):
        text = (root / str(alice.tenant.id) / "radio" / "out" / name).read_text()
        assert "The fox" not in text


def test_exports_fail_where_retention_was_faster(
    alice: Character, folder: Place, fox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver_to(alice, folder, "txt")
    serve()
    row = finish(submit(alice.actor, fox))
    assert deliveries.fail_without_text() == 0
    Transcription.objects.filter(id=row.id).update(text_deleted_at=timezone.now())
    assert sender.send_due() == 0
    rounds.sweep(sweeper.EVERY_HOUR)
    found = Delivery.objects.get()
    assert found.state == "failed"
    assert "text" in found.last_error


def test_an_organisation_occupies_one_writer_however_many_places_it_has(
    alice: Character, folder: Place, bucket: Place, fox: Path
) -> None:
    deliver_to(alice, folder, "txt")
    deliver_to(alice, bucket, "txt")
    serve()
    finish(submit(alice.actor, fox))
    first = deliveries.claim()
    assert first is not None
    assert deliveries.claim([alice.tenant.id]) is None
    assert deliveries.claim() is not None


def test_exports_lie_in_the_bucket_and_nobody_reads_its_secret(
    alice: Character, bucket: Place, s3: Any, fox: Path
) -> None:
    assert bucket.sealed_secret not in ("", "b")
    deliver_to(alice, bucket, "vtt")
    serve()
    row = finish(submit(alice.actor, fox))
    assert sender.send_due() == 1
    found = s3.get_object(Bucket="acme", Key=f"voice/out/quick_brown_fox-{row.recording_id.hex[:12]}.vtt")
    assert found["Body"].read().startswith(b"WEBVTT")
    assert found["ContentType"] == "text/vtt; charset=utf-8"


def test_a_failure_is_said_with_its_cause_and_tried_again(
    alice: Character, bucket: Place, s3: Any, fox: Path, settings: LazySettings
) -> None:
    deliver_to(alice, bucket, "txt")
    serve()
    finish(submit(alice.actor, fox))
    s3.delete_bucket(Bucket="acme")
    assert sender.send_due() == 1
    row = Delivery.objects.get()
    assert (row.state, row.attempts_made) == ("pending", 1)
    assert "NoSuchBucket" in row.last_error
    assert sender.send_due() == 0, "not before its time"
    s3.create_bucket(Bucket="acme")
    deliveries.again(alice.actor, bucket.id, row.id)
    assert sender.send_due() == 1
    row.refresh_from_db()
    assert (row.state, row.last_error) == ("delivered", "")


def test_a_bucket_on_a_private_network_is_not_reached(
    alice: Character, bucket: Place, fox: Path, settings: LazySettings
) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = [ip_network("10.9.0.0/16")]
    deliver_to(alice, bucket, "txt")
    serve()
    finish(submit(alice.actor, fox))
    assert sender.send_due() == 1
    assert "not on the public internet" in Delivery.objects.get().last_error
    with pytest.raises(InvalidOption):
        places.create(alice.actor, PlaceSettings("Metadata", "bucket", "", "http://169.254.169.254", "x", "", "a", "b"))


def test_no_way_leads_out_of_a_tenants_folder(
    alice: Character, mallory: Character, folder: Place, root: Path, tmp_path: Path, fox: Path
) -> None:
    for path in ("..", "a/../../b", ".ssh", "a\\b", "\u202ea"):
        try:
            row = places.create(alice.actor, PlaceSettings(name="Out", kind="folder", path=path))
        except InvalidOption:
            continue
        assert ".." not in row.path
        assert row.path.isprintable()
    (tmp_path / "elsewhere").mkdir()
    (root / str(alice.tenant.id) / "radio").mkdir(parents=True)
    (root / str(alice.tenant.id) / "radio" / "out").symlink_to(tmp_path / "elsewhere")
    deliver_to(alice, folder, "txt")
    serve()
    finish(submit(alice.actor, fox))
    assert sender.send_due() == 1
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert Delivery.objects.get().state == "pending"


@pytest.mark.parametrize("name", ["../../evil", "a/b", ".hidden", "\x00", "x" * 300, "CON:*?", "…" * 200])
def test_names_of_recordings_become_names_of_files(name: str) -> None:
    made = disk.file_name(name, "-0123456789ab.txt")
    assert "/" not in made
    assert not made.startswith(".")
    assert len(made.encode()) <= 200
    assert made.endswith("-0123456789ab.txt")


def test_places_are_the_affair_of_their_tenants_managers(
    alice: Character, bob: Character, mallory: Character, folder: Place, settings: LazySettings
) -> None:
    with pytest.raises(PermissionDenied):
        places.visible(bob.actor)
    with scope.bound(mallory.tenant.id):
        with pytest.raises(Http404):
            places.get(mallory.actor, folder.id)
        with pytest.raises(Http404):
            deliveries.of_place(mallory.actor, folder.id)
        with pytest.raises(InvalidOption):
            deliver_to(mallory, folder, "txt")
    with pytest.raises(InvalidOption):
        places.create(alice.actor, PlaceSettings(name="Twin", kind="folder", path="radio"))
    settings.EXCHANGE_ROOT = ""
    with pytest.raises(InvalidOption):
        places.create(alice.actor, PlaceSettings(name="Off", kind="folder"))


def test_another_service_gets_no_secret_of_the_one_before(alice: Character, bucket: Place) -> None:
    there = PlaceSettings("Bucket", "bucket", "voice", "https://8.8.8.8", "acme", "", "a")
    with pytest.raises(InvalidOption) as refused:
        places.change(alice.actor, bucket.id, there)
    assert refused.value.param == "secret"

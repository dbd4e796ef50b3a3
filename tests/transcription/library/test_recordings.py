from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from django.db import connection
from django.http import Http404
from django.utils import timezone

from tenants import scope
from tenants.access import Actor
from tenants.models import Quota, Reservation
from tests.conftest import Character
from tests.transcription.characters import submit
from transcription.library import recordings
from transcription.library.filters import PEOPLE, PROGRAMS, Filter
from transcription.library.recordings import UNDO_WINDOW
from transcription.maintenance import sweeper
from transcription.media import storage
from transcription.models import Recording, Status, Transcription

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("within")]


@pytest.fixture
def kept(alice: Character, fox: Path) -> Recording:
    return submit(alice.actor, fox).recording


def deleted_ago(row: Recording, ago: timedelta) -> None:
    Recording.objects.filter(id=row.id).update(deleted_at=timezone.now() - ago)


def test_deleting_stops_the_work_and_can_be_undone(alice: Character, kept: Recording) -> None:
    recordings.delete(alice.actor, kept.id)
    assert not recordings.recordings(alice.actor).exists()
    assert Transcription.objects.get().status == Status.CANCELLED
    assert Reservation.objects.get().state == Reservation.State.RELEASED
    recordings.restore(alice.actor, kept.id)
    assert recordings.recordings(alice.actor).get() == kept


def test_what_was_restored_is_never_purged_and_what_is_too_old_not_restored(alice: Character, kept: Recording) -> None:
    deleted_ago(kept, UNDO_WINDOW + timedelta(seconds=1))
    assert recordings.purge_deleted() == 0
    with pytest.raises(Http404):
        recordings.restore(alice.actor, kept.id)
    deleted_ago(kept, 2 * UNDO_WINDOW + timedelta(seconds=1))
    assert recordings.purge_deleted() == 1
    assert not storage.local_path(kept.storage_key).exists()
    assert Quota.objects.get(tenant=alice.tenant).stored_bytes_used == 0


def test_a_program_erases_for_good(alice: Character, kept: Recording) -> None:
    recordings.erase(alice.actor, kept.id)
    assert not Recording.objects.exists()
    assert not storage.local_path(kept.storage_key).exists()


@pytest.mark.parametrize("door", [recordings.recording, recordings.delete, recordings.erase])
def test_mallory_finds_no_door(door: Callable[[Actor, UUID], object], kept: Recording, mallory: Character) -> None:
    with scope.bound(mallory.tenant.id), pytest.raises(Http404):
        door(mallory.actor, kept.id)


def test_a_search_may_hold_anything(alice: Character, kept: Recording) -> None:
    assert not recordings.recordings(alice.actor, Filter(search="\x00nothing")).exists()
    assert not recordings.recordings(alice.actor, Filter(status="\x00")).exists()
    assert recordings.recordings(alice.actor, Filter(search="FOX", status="queued")).get() == kept


@pytest.mark.parametrize(
    ("filters", "order", "index"),
    [
        (Filter(by=PEOPLE), "newest", "recordings_by_people"),
        (Filter(by=PROGRAMS), "newest", "recordings_by_programs"),
        (Filter(), "name", "recordings_by_name"),
        (Filter(), "longest", "recordings_longest_first"),
        (Filter(), "shortest", "recordings_longest_first"),
        (Filter(), "changed", "recordings_last_changed"),
    ],
)
def test_a_page_is_found_by_an_index(filters: Filter, order: str, index: str, alice: Character) -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
            cursor.execute("SET LOCAL enable_bitmapscan = off")
    plan = recordings.recordings(alice.actor, filters, order)[:25].explain()
    assert index in plan
    assert "TEMP B-TREE" not in plan


def test_media_that_no_recording_names_is_swept(kept: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeper, "ORPHAN_AGE", timedelta(seconds=-1))
    orphan = storage.local_path(kept.storage_key.replace(str(kept.id), "00000000-0000-0000-0000-000000000000"))
    orphan.parent.mkdir(parents=True)
    orphan.write_bytes(b"left behind")
    assert sweeper.drop_orphaned_media() >= 1
    assert not orphan.exists()
    assert storage.local_path(kept.storage_key).exists()


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="how PostgreSQL finds them")
def test_a_span_of_time_is_found_by_its_index(alice: Character) -> None:
    wanted = Filter(created_after=timezone.now() - timedelta(hours=1), created_before=timezone.now())
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        plan = recordings.recordings(alice.actor, wanted).explain()
    assert "recordings_newest_first" in plan
    assert all(f"created_at {bound}" in plan.split("Index Cond:")[1].splitlines()[0] for bound in (">=", "<"))

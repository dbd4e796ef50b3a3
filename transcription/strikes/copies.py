"""The copies of recordings' sound that are silent where they are struck: wanted, made beside the sweeper, found.

Any number of processes may make them. What is struck while one is made is in the next one, and until that is there
nobody is sent any.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from uuid import UUID

from django.db.models import F, QuerySet
from django.db.models.functions import Now

from tenants import scope
from transcription import media
from transcription.connections import lend_connection
from transcription.leases import Backoff, Renewal
from transcription.lookout import Lookout
from transcription.media import DecoderDied, MediaError, storage
from transcription.media.storage import StorageUnavailable
from transcription.models import Recording, RedactedSound, Transcription

log = logging.getLogger(__name__)
PAUSE = timedelta(seconds=3)
"""After a strike, since another one often follows."""
LEASE = timedelta(seconds=60)
LEASE_FOR_STORING = timedelta(minutes=15)
"""Nothing renews it while a bucket takes the copy."""
RENEW_EVERY_SECONDS = 10.0
BACKOFF = Backoff((10, 60, 300))
MOST_ATTEMPTS = 3


class LostClaim(Exception):
    """Another process makes the copy, or the recording has gone."""


def want(recording: Recording) -> None:
    """Has a copy made of what is struck now. Whoever makes one of what was struck before loses the claim to it.

    Call in the transaction that strikes.
    """
    if recording.audio_deleted_at is not None:
        return
    due = Now() + PAUSE
    rows = RedactedSound.objects.filter(recording=recording)
    if not rows.update(due_at=due, attempts=0, fence=F("fence") + 1) and recording.struck:
        new = RedactedSound(recording=recording, tenant_id=recording.tenant_id, due_at=due)
        RedactedSound.objects.bulk_create([new], ignore_conflicts=True)


def track_of(recording: Recording) -> int:
    """Returns the number of the audio track that is played, from 1; 0 where there is one only."""
    latest: Transcription | None = recording.latest
    return latest.audio_track_taken if latest and len(recording.audio_tracks) > 1 else 0


def key_of(recording: Recording) -> str:
    """Returns the key of the copy that is silent in just what is struck now; empty while there is none.

    One that is missing, or of another track, is wanted from now on.
    """
    row = RedactedSound.objects.filter(recording=recording).first()
    if row is not None and row.key and row.spans == recording.struck and row.track == track_of(recording):
        return row.key
    if row is None or (row.due_at is None and row.attempts < MOST_ATTEMPTS):
        want(recording)
    return ""


def has_failed(recording: Recording) -> bool:
    """Returns whether no copy could be made, after several attempts."""
    return RedactedSound.objects.filter(recording=recording, due_at=None, attempts__gte=MOST_ATTEMPTS).exists()


def forget(recording_id: UUID) -> list[str]:
    """Deletes the row of a recording whose sound goes; returns the keys to delete from the storage afterwards."""
    rows = RedactedSound.objects.filter(recording_id=recording_id)
    keys = [key for key in rows.values_list("key", flat=True) if key]
    rows.delete()
    return keys


def make_due(stop: threading.Event | None = None) -> int:
    """Makes what is due now, one after the other, until `stop` is set. Returns how many."""
    count = 0
    while not (stop and stop.is_set()) and make_next():
        count += 1
    return count


def make_next() -> bool:
    """Makes the copy that has been due for longest; returns whether there was one."""
    with scope.across_tenants("sound of every tenant is due"):
        due = _due()
        row = due.order_by("due_at").first()
        if row is None:
            return False
        changes = {"fence": F("fence") + 1, "due_at": Now() + LEASE, "attempts": F("attempts") + 1}
        won = due.filter(pk=row.pk, fence=row.fence).update(**changes)
    if won:
        with scope.bound(row.tenant_id):
            _attempt(row.pk, row.fence + 1, row.attempts + 1)
    return True


def _due() -> QuerySet[RedactedSound]:
    return RedactedSound.objects.filter(due_at__lte=Now(), tenant__is_active=True)


DUE = Lookout(_due)


def _attempt(recording_id: UUID, fence: int, attempts: int) -> None:
    rows = RedactedSound.objects.filter(recording_id=recording_id, fence=fence)
    try:
        _make(recording_id, fence)
    except LostClaim:
        log.info("The redacted sound of recording %s is made by another process.", recording_id)
    except (MediaError, DecoderDied, OSError, StorageUnavailable) as error:
        log.warning("No redacted sound of recording %s: %s", recording_id, error)
        is_last = attempts >= MOST_ATTEMPTS
        rows.update(due_at=None if is_last else Now() + timedelta(seconds=BACKOFF.after(attempts)))


def _make(recording_id: UUID, fence: int) -> None:
    """Raises LostClaim, MediaError, DecoderDied, OSError and StorageUnavailable."""
    rows = RedactedSound.objects.filter(recording_id=recording_id, fence=fence)
    recording = Recording.objects.filter(id=recording_id, audio_deleted_at=None).first()
    row = rows.first()
    if row is None:
        raise LostClaim
    spans, track, key = [], 0, ""
    if recording is not None and recording.struck:
        spans, track = recording.struck, track_of(recording)
        digest = hashlib.sha256(json.dumps([spans, track, fence]).encode()).hexdigest()[:16]
        key = storage.recording_key(recording.tenant_id, recording.id, f"redacted-{digest}.m4a")
        _store(recording, spans, track, key, partial(_renew, recording_id, fence))
    if not rows.update(spans=spans, track=track, key=key, due_at=None, attempts=0):
        storage.discard(key)
        raise LostClaim
    if row.key:
        storage.discard(row.key)


def _store(recording: Recording, spans: list[list[float]], track: int, key: str, renew: Callable[..., None]) -> None:
    renewal = Renewal(renew, RENEW_EVERY_SECONDS)
    with storage.local_copy(recording.storage_key, renewal) as path, storage.temporary_path() as copy:
        media.make_playable(path, recording.format, copy, longest(recording), renewal, max(0, track - 1), spans)
        renew(LEASE_FOR_STORING)
        storage.save(copy, key)


def longest(recording: Recording) -> float:
    """Returns the most seconds that a copy may have: packets say how long a recording is, and not to the second."""
    return 60 + 1.1 * recording.duration_seconds


def _renew(recording_id: UUID, fence: int, lease: timedelta = LEASE) -> None:
    """Raises LostClaim."""
    if not RedactedSound.objects.filter(recording_id=recording_id, fence=fence).update(due_at=Now() + lease):
        raise LostClaim
    lend_connection()

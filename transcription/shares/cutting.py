"""Makes the sound of links that need a copy of their own: a task of the sweeper, of which any number may run."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from tenants import scope
from transcription import leases
from transcription.leases import Claim, LostClaim
from transcription.media import DecoderDied, MediaError, storage
from transcription.media.storage import StorageUnavailable
from transcription.shares import sound
from transcription.shares.models import Share, open_ones

log = logging.getLogger(__name__)
LEASE = timedelta(seconds=60)
RENEW_SECONDS = 20
BACKOFF = leases.Backoff((10, 60, 300, 900))
MOST_ATTEMPTS = 5
AT_ONCE = 20
LOOK_AGAIN = timedelta(days=1)
WAITING = Q(with_sound=True, revoked_at=None, sound_key="", sound_error="", sound_due_at__lte=Now())


def cut_due() -> int:
    """Makes the sound of links that wait for it, the oldest first, and returns for how many."""
    with scope.across_tenants("links of every tenant wait for their sound"):
        due = Share.objects.filter(WAITING, open_ones(), recording__audio_deleted_at=None)
        rows = list(due.select_related("recording", "tenant").order_by("created_at", "id")[:AT_ONCE])
        return sum(_cut(row) for row in rows)


def drop_ended() -> int:
    """Deletes the sound of links that ended by their time, and returns of how many."""
    with scope.across_tenants("links of every tenant end"):
        ended = Share.objects.filter(expires_at__lt=timezone.now()).exclude(sound_key="")
        keys = dict(ended.values_list("id", "sound_key"))
        Share.objects.filter(id__in=keys).update(sound_key="")
    storage.discard(*keys.values())
    return len(keys)


def _cut(row: Share) -> bool:
    """Returns False if another sweeper was faster, the link needs no copy, or making one failed."""
    claim = leases.claim(
        Share.objects.filter(WAITING), row, sound_due_at=Now() + LEASE, sound_attempts=F("sound_attempts") + 1
    )
    if claim is None:
        return False
    renewal = leases.Renewal(lambda: _write(claim, sound_due_at=Now() + LEASE), RENEW_SECONDS)
    key = sound.own_key(row)
    try:
        with storage.temporary_path() as target:
            if not sound.write(row, target, renewal):
                _write(claim, sound_due_at=Now() + LOOK_AGAIN, sound_attempts=0)
                return False
            storage.delete(key)  # one from before a strike, or of a process that died
            storage.save(target, key)
        _write(claim, sound_key=key, sound_struck=row.recording.struck, sound_attempts=0)
    except LostClaim:
        _discard_unless_used(row, key)
        return False
    except (MediaError, DecoderDied, OSError, StorageUnavailable) as error:
        _try_later(claim, row, error)
        return False
    return True


def _write(claim: Claim, **changes: object) -> None:
    """Raises LostClaim, also for a link that was revoked, or deleted with its recording, meanwhile."""
    leases.write(leases.claimed(Share.objects.filter(revoked_at=None, sound_key=""), claim), **changes)


def _discard_unless_used(row: Share, key: str) -> None:
    if not Share.objects.filter(id=row.id, sound_key=key).exists():
        storage.discard(key)


def _try_later(claim: Claim, row: Share, error: Exception) -> None:
    """Tries again after a while; a file that can't be read, or failed often, is given up."""
    log.warning("No sound for share link %s: %s", row.id, error)
    is_last = isinstance(error, MediaError) or row.sound_attempts + 1 >= MOST_ATTEMPTS
    code = error.code if isinstance(error, MediaError) else "failed"
    delay = timedelta(seconds=BACKOFF.after(row.sound_attempts + 1))
    try:
        _write(claim, sound_due_at=Now() + delay, sound_error=code if is_last else "")
    except LostClaim:
        pass

"""Makes the sound of links that need a copy of their own: a task of the sweeper, of which any number may run."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.db.models import F, Min, Q
from django.db.models.functions import Now
from django.utils import timezone

from tenants import scope
from transcription import leases
from transcription.leases import Claim, LostClaim
from transcription.lookout import Lookout
from transcription.media import DecoderDied, MediaError, storage
from transcription.media.storage import StorageUnavailable
from transcription.models import Recording
from transcription.shares import sound
from transcription.shares.models import Share, open_ones
from transcription.shares.text import newest

log = logging.getLogger(__name__)
LEASE = timedelta(seconds=60)
RENEW_SECONDS = 20
BACKOFF = leases.Backoff((10, 60, 300, 900))
MOST_ATTEMPTS = 5
ROUNDS = 20
LEASE_FOR_STORING = timedelta(minutes=15)
"""Nothing renews it while a bucket takes the copy."""
LOOK_AGAIN = timedelta(days=1)
WAITING = Q(with_sound=True, revoked_at=None, sound_key="", sound_error="", sound_due_at__lte=Now())
DUE = Lookout(lambda: Share.objects.filter(WAITING, open_ones(Now()), recording__audio_deleted_at=None))


def cut_due() -> int:
    """Makes the sound of links that wait for it, and returns for how many.

    In each round the oldest link of every tenant has its turn, so that one with many keeps nobody waiting.
    """
    made = 0
    with scope.across_tenants("links of every tenant wait for their sound"):
        for _round in range(ROUNDS):
            due = Share.objects.filter(WAITING, open_ones(), recording__audio_deleted_at=None)
            waits = due.order_by().values("tenant").annotate(since=Min("sound_due_at")).order_by("since")
            tenants = [one["tenant"] for one in waits]
            if not tenants:
                break
            for tenant in tenants:
                rows = due.filter(tenant=tenant).select_related("recording", "tenant")
                row = rows.order_by("sound_due_at", "id").first()
                made += row is not None and _cut(row)
    return made


def drop_ended() -> int:
    """Deletes the sound of links that ended, or from before something was struck, and returns of how many."""
    with scope.across_tenants("links of every tenant end"):
        rows = Share.objects.exclude(sound_key="").select_related("recording")
        ended = rows.filter(Q(expires_at__lt=timezone.now()) | Q(revoked_at__isnull=False))
        struck = rows.exclude(sound_struck=[], recording__struck=[])
        old = [row for row in struck if row.sound_struck != row.recording.struck]
        return sum(sound.drop(row) for row in [*ended, *old])


def _cut(row: Share) -> bool:
    """Returns False if another sweeper was faster, the link needs no copy, or making one failed."""
    claim = leases.claim(
        Share.objects.filter(WAITING), row, sound_due_at=Now() + LEASE, sound_attempts=F("sound_attempts") + 1
    )
    if claim is None:
        return False
    renewal = leases.Renewal(lambda: _write(claim, sound_due_at=Now() + LEASE), RENEW_SECONDS)
    key, text = sound.own_key(row, claim.fence), newest(row)
    track = sound.track_of(row.recording, text)
    try:
        if track is None or not sound.needs_own(row, text):
            _write(claim, sound_due_at=Now() + LOOK_AGAIN, sound_attempts=0)
            return False
        with storage.temporary_path() as target:
            sound.write(row, track, target, renewal)
            _write(claim, sound_due_at=Now() + LEASE_FOR_STORING)
            storage.discard(sound.own_key(row, row.fence))  # of a process that died
            storage.save(target, key)
        _write(claim, sound_key=key, sound_struck=row.recording.struck, sound_track=track, sound_attempts=0)
    except LostClaim:
        storage.discard(key)
        return False
    except (MediaError, DecoderDied, OSError, StorageUnavailable) as error:
        storage.discard(key)
        _try_later(claim, row, error)
        return False
    return True


def _write(claim: Claim, **changes: object) -> None:
    """Raises LostClaim, also for a link that was revoked, or whose recording or its sound was deleted, meanwhile."""
    heard = Recording.objects.filter(audio_deleted_at=None)  # not a join, so that PostgreSQL checks the fence last
    rows = Share.objects.filter(revoked_at=None, sound_key="", recording__in=heard)
    leases.write(leases.claimed(rows, claim), **changes)


def _try_later(claim: Claim, row: Share, error: Exception) -> None:
    """Tries again after a while; a file that can't be read, or failed often, is given up.

    How long a recording is may be known only when it has been transcribed.
    """
    log.warning("No sound for share link %s: %s", row.id, error)
    code = error.code if isinstance(error, MediaError) else "failed"
    is_last = isinstance(error, MediaError) or row.sound_attempts + 1 >= MOST_ATTEMPTS
    if code == "too_long" and not all(one.is_over for one in row.recording.transcriptions.all()):
        is_last = False
    delay = timedelta(seconds=BACKOFF.after(row.sound_attempts + 1))
    try:
        _write(claim, sound_due_at=Now() + delay, sound_error=code if is_last else "")
    except LostClaim:
        pass

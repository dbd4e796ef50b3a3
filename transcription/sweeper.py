"""Puts right what a crash, a lost wake-up or a full Redis left behind. Holds no state: any number may run."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from tenants import scope
from transcription import library, lifecycle, queue, storage
from transcription.models import Recording

log = logging.getLogger(__name__)
ABANDONED_UPLOAD = timedelta(hours=24)
ORPHAN_AGE = timedelta(hours=1)


def expire_leases() -> int:
    return lifecycle.expire_leases()


def ring_again() -> int:
    return queue.ring_missing(lifecycle.due_by_lane())


def purge_deleted() -> int:
    return library.purge_deleted()


def drop_abandoned_uploads() -> int:
    """Deletes what a killed web process or worker left in the incoming folder."""
    oldest, dropped = time.time() - ABANDONED_UPLOAD.total_seconds(), 0
    for file in settings.INCOMING_DIR.glob("*"):
        if file.is_file() and file.stat().st_mtime < oldest:
            file.unlink(missing_ok=True)
            dropped += 1
    return dropped


def drop_orphaned_media() -> int:
    """Deletes local media that no recording names: stored just before a crash, or left by a purge."""
    if not storage.is_local():
        return 0
    dropped = 0
    for key in storage.keys_older_than(timezone.now() - ORPHAN_AGE):
        with scope.across_tenants("media of every tenant lies in one folder"):
            known = Recording.objects.filter(id=key.split("/")[3]).exists()
        if not known:
            storage.delete(key)
            dropped += 1
    return dropped


Task = Callable[[], int]
EVERY_FEW_SECONDS: dict[str, Task] = {"expired leases": expire_leases, "wake-ups rung again": ring_again}
EVERY_FEW_MINUTES: dict[str, Task] = {
    "deleted recordings purged": purge_deleted,
    "abandoned uploads dropped": drop_abandoned_uploads,
    "orphaned media dropped": drop_orphaned_media,
}


def sweep(tasks: dict[str, Task]) -> dict[str, int]:
    """Runs each task; one that raises is logged and does not keep the others from running."""
    counts: dict[str, int] = {}
    for name, task in tasks.items():
        try:
            counts[name] = task()
        except Exception:
            log.exception("Sweeping failed: %s", name)
    for name, count in counts.items():
        if count:
            log.info("Swept: %d %s", count, name)
    return counts

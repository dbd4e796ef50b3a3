"""How many requests wait for a transcription's text, in all web processes together.

What a synchronous request created is worth its work as long as somebody waits: `waiters` counts them, and when the
last one has hung up, `cancel_at` says when the work is cancelled, unless somebody joins again until then. The time in
between is for OpenAI's SDKs, which hang up after a timeout and send the request again.

`waiters` is null where the work is finished whoever waits: it came by other ways, an idempotency key names it (its
caller means to come back), or a caller was told that it goes on. A web process that is killed leaves the count too
high: nothing is cancelled that somebody might want.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from tenants import scope
from transcription.models import Status, Transcription
from transcription.queue import lifecycle

log = logging.getLogger(__name__)
GRACE = timedelta(seconds=15)
LONGEST_GRACE = timedelta(minutes=10)


def join(row: Transcription) -> bool:
    """Another request waits for it; False where it is over already."""
    return _unfinished(row).update(waiters=F("waiters") + 1, cancel_at=None) == 1


def keep(row: Transcription) -> bool:
    """It is finished, whoever waits; False where it is over already."""
    return _unfinished(row).update(waiters=None, cancel_at=None) == 1


def leave(row: Transcription) -> None:
    """One that waited was told something else than the text: its caller knows, and nothing is cancelled."""
    _unfinished(row).filter(waiters__gt=0).update(waiters=F("waiters") - 1, cancel_at=None)


def hang_up(row: Transcription, upload: timedelta) -> None:
    """One that waited is gone. `upload`: how long its file took, and a retry's will take again."""
    grace = min(GRACE + 2 * upload, LONGEST_GRACE)
    _unfinished(row).filter(waiters__gt=0).update(waiters=F("waiters") - 1, cancel_at=Now() + grace)


def cancel_without_waiters() -> int:
    """Cancels what nobody waits for any more; how many."""
    with scope.across_tenants("the sweeper serves every tenant"):
        forsaken = Q(waiters=0, cancel_at__lte=Now())
        rows = list(Transcription.objects.filter(forsaken, status__in=(Status.QUEUED, Status.RUNNING)))
        cancelled = [row for row in rows if lifecycle.cancel(row, only=forsaken)]
    for row in cancelled:
        log.info("Transcription %s was cancelled: whoever waited for it hung up.", row.id)
    return len(cancelled)


def _unfinished(row: Transcription) -> QuerySet[Transcription]:
    return Transcription.objects.filter(id=row.id, status__in=(Status.QUEUED, Status.RUNNING))

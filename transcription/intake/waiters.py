"""Counts the requests that wait for a transcription's text, in all web processes together.

A synchronous request's transcription is worth its work as long as somebody waits for it: `waiters` counts them, and
when the last one hangs up, `cancel_at` says when the work is cancelled, unless a request joins before that. The time
in between is for OpenAI's SDKs, which hang up after a timeout and send the request again.

`waiters` is null for a transcription that is finished in any case: it was not requested synchronously, an idempotency
key names it, or a caller was told that the work goes on. A web process that is killed leaves the count too high, which
cancels nothing.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from tenants import scope
from transcription.lookout import Lookout
from transcription.models import Status, Transcription
from transcription.queue import lifecycle

log = logging.getLogger(__name__)
GRACE = timedelta(seconds=15)
LONGEST_GRACE = timedelta(minutes=10)


def join(row: Transcription) -> bool:
    """Counts another waiter. Returns False if the transcription is over already."""
    return _unfinished(row).update(waiters=F("waiters") + 1, cancel_at=None) == 1


def keep(row: Transcription) -> bool:
    """Keeps the transcription going until its end, even if nobody waits. Returns False if it is over already."""
    return _unfinished(row).update(waiters=None, cancel_at=None) == 1


def leave(row: Transcription) -> None:
    """Counts a waiter less that was answered, but without the text: its caller knows, and nothing is cancelled."""
    _unfinished(row).filter(waiters__gt=0).update(waiters=F("waiters") - 1, cancel_at=None)


def hang_up(row: Transcription, upload: timedelta) -> None:
    """Counts a waiter less that hung up. `upload` is how long its file took, and a retry's will take again."""
    grace = min(GRACE + 2 * upload, LONGEST_GRACE)
    _unfinished(row).filter(waiters__gt=0).update(waiters=F("waiters") - 1, cancel_at=Now() + grace)


def cancel_without_waiters() -> int:
    """Cancels transcriptions whose waiters all hung up a while ago. Returns how many."""
    with scope.across_tenants("the sweeper serves every tenant"):
        cancelled = [row for row in list(_left_alone()) if lifecycle.cancel(row, only=_LEFT)]
    for row in cancelled:
        log.info("Transcription %s was cancelled: every request that waited for it hung up.", row.id)
    return len(cancelled)


_LEFT = Q(waiters=0, cancel_at__lte=Now())


def _left_alone() -> QuerySet[Transcription]:
    return Transcription.objects.filter(_LEFT, status__in=(Status.QUEUED, Status.RUNNING))


LEFT_ALONE = Lookout(_left_alone)


def _unfinished(row: Transcription) -> QuerySet[Transcription]:
    return Transcription.objects.filter(id=row.id, status__in=(Status.QUEUED, Status.RUNNING))

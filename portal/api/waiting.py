"""Waits for a transcription without holding a thread or a database connection."""

from __future__ import annotations

import asyncio

from portal.api.status_broker import broker
from portal.http.thread_pools import in_thread
from tenants import scope
from transcription.models import Segment, Status, Transcription
from transcription.options.speakers import OFF


async def finished(row: Transcription, timeout_seconds: float) -> Transcription | None:
    """Returns the transcription with its segments once it is over; None when the time was not enough.

    One that was deleted meanwhile is returned as it was.
    """
    if not row.is_over:
        try:
            async with broker().subscribe(row.id) as subscription, asyncio.timeout(timeout_seconds):
                await subscription.wait_until_over()
        except TimeoutError:
            return None
    return await read(row) or row


@in_thread
def read(row: Transcription) -> Transcription | None:
    """Returns it with its segments and speakers as the database has them now; None where it was deleted."""
    with scope.bound(row.tenant_id):
        rows = Transcription.objects.filter(id=row.id).select_related("recording").prefetch_related("segments")
        return rows.prefetch_related("speaker_set").first() if row.speakers != OFF else rows.first()


@in_thread
def segments_from(row: Transcription, index: int) -> list[Segment]:
    """Returns the segments so far from `index` on; none that are divided between speakers, at the end."""
    with scope.bound(row.tenant_id):
        rows = Segment.objects.filter(transcription_id=row.id, index__gte=index)
        return list(rows if row.speakers == OFF else rows.filter(transcription__status=Status.RUNNING))

"""Waiting for a transcription: it holds neither a thread nor a database connection."""

from __future__ import annotations

import asyncio

from portal.api.status_broker import hub
from portal.http.thread_pools import shared
from tenants import scope
from transcription.models import Segment, Transcription


async def finished(row: Transcription, patience: float) -> Transcription | None:
    """The transcription with its segments once it is over; None when `patience` seconds were not enough.

    One that was deleted meanwhile is given as it was.
    """
    if not row.is_over:
        try:
            async with hub().watching(row.id) as watch, asyncio.timeout(patience):
                await watch.end()
        except TimeoutError:
            return None
    return await read(row) or row


@shared
def read(row: Transcription) -> Transcription | None:
    """It and its segments as the database has them; None where it was deleted."""
    with scope.bound(row.tenant_id):
        rows = Transcription.objects.filter(id=row.id).select_related("recording").prefetch_related("segments")
        return rows.first()


@shared
def segments_from(row: Transcription, index: int) -> list[Segment]:
    with scope.bound(row.tenant_id):
        return list(Segment.objects.filter(transcription_id=row.id, index__gte=index))

"""Waiting for a transcription without holding a database connection: events wake us, the database decides."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from channels.db import database_sync_to_async
from channels.layers import get_channel_layer

from tenants import scope
from transcription import progress
from transcription.models import Segment, Transcription

log = logging.getLogger(__name__)
POLL_SECONDS = 2.0
REDIS_PATIENCE_SECONDS = 1.0


class Watch:
    """One watcher's mailbox in the group of a transcription; without Redis, a clock."""

    def __init__(self, transcription_id: UUID) -> None:
        self._group = progress.transcription_group(transcription_id)
        self._layer: Any = get_channel_layer()
        self._channel: str | None = None

    async def open(self) -> None:
        try:
            async with asyncio.timeout(REDIS_PATIENCE_SECONDS):
                channel = await self._layer.new_channel()
                await self._layer.group_add(self._group, channel)
            self._channel = channel
        except Exception as error:
            log.warning("Waiting without events (%s).", error)

    async def close(self) -> None:
        if self._channel is not None:
            try:
                async with asyncio.timeout(REDIS_PATIENCE_SECONDS):
                    await self._layer.group_discard(self._group, self._channel)
            except Exception as error:
                log.warning("A watch was left behind (%s); it expires.", error)

    async def wait(self) -> None:
        """Returns at the next event, or after POLL_SECONDS."""
        if self._channel is None:
            await asyncio.sleep(POLL_SECONDS)
            return
        try:
            async with asyncio.timeout(POLL_SECONDS):
                await self._layer.receive(self._channel)
        except TimeoutError:
            pass
        except Exception as error:
            log.warning("Waiting without events (%s).", error)
            self._channel = None


@asynccontextmanager
async def watching(transcription_id: UUID) -> AsyncIterator[Watch]:
    watch = Watch(transcription_id)
    await watch.open()
    try:
        yield watch
    finally:
        await asyncio.shield(watch.close())


async def finished(row: Transcription, patience: float) -> Transcription | None:
    """The transcription once it is over; None when `patience` seconds were not enough."""
    deadline = time.monotonic() + patience
    async with watching(row.id) as watch:
        while time.monotonic() < deadline:
            current = await read(row)
            if current is None or current.is_over:
                return current or row
            await watch.wait()
    return None


@database_sync_to_async
def read(row: Transcription) -> Transcription | None:
    with scope.bound(row.tenant_id):
        rows = Transcription.objects.filter(id=row.id).select_related("recording")
        found = rows.first()
        return rows.prefetch_related("segments").first() if found is not None and found.is_over else found


@database_sync_to_async
def segments_from(row: Transcription, index: int) -> list[Segment]:
    with scope.bound(row.tenant_id):
        return list(Segment.objects.filter(transcription_id=row.id, index__gte=index))

"""One request's wait for a transcription, counted in the database from its acceptance to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

from portal.http.disconnects import Connection
from portal.http.thread_pools import in_thread
from tenants import scope
from transcription.intake import waiters
from transcription.models import Transcription


class Wait:
    """`accepting` gives the transcription. It is not broken off: a client that goes meanwhile may come again."""

    def __init__(
        self, connection: Connection, accepting: Coroutine[Any, Any, Transcription], upload_seconds: float
    ) -> None:
        self._accepting = asyncio.ensure_future(accepting)
        self._upload = timedelta(seconds=upload_seconds)
        self._is_over = False
        connection.on_end(self._end_of_request)

    async def begin(self) -> Transcription:
        """Raises whatever accepting raises."""
        return await asyncio.shield(self._accepting)

    def end(self) -> None:
        """Notes that the transcription is over: this request no longer counts as waiting."""
        self._is_over = True

    async def keep(self) -> None:
        """Keeps the transcription, as the caller is told that the work goes on."""
        await _keep(await self._accepting)
        self._is_over = True

    async def _end_of_request(self, is_lost: bool) -> None:
        try:
            row = await self._accepting
        except Exception:  # the request was told
            return
        if self._is_over or row.is_over:
            return
        await (_hang_up(row, self._upload) if is_lost else _leave(row))


@in_thread
def _keep(row: Transcription) -> None:
    with scope.bound(row.tenant_id):
        waiters.keep(row)


@in_thread
def _leave(row: Transcription) -> None:
    with scope.bound(row.tenant_id):
        waiters.leave(row)


@in_thread
def _hang_up(row: Transcription, upload: timedelta) -> None:
    with scope.bound(row.tenant_id):
        waiters.hang_up(row, upload)

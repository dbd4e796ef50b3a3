"""One request's wait for a transcription, counted in the database from its acceptance to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

from portal.http.disconnects import Client
from portal.http.thread_pools import shared
from tenants import scope
from transcription.intake import waiters
from transcription.models import Transcription


class Wait:
    """`accepting` gives the transcription. It is not broken off: a client that goes meanwhile may come again."""

    def __init__(self, client: Client, accepting: Coroutine[Any, Any, Transcription], upload_seconds: float) -> None:
        self._accepting = asyncio.ensure_future(accepting)
        self._upload = timedelta(seconds=upload_seconds)
        self._is_over = False
        client.at_the_end(self._part)

    async def begin(self) -> Transcription:
        """Raises whatever accepting raises."""
        return await asyncio.shield(self._accepting)

    def end(self) -> None:
        """The transcription is over: nobody needs to count any more."""
        self._is_over = True

    async def promise(self) -> None:
        """The caller is told that the work goes on."""
        await _keep(await self._accepting)
        self._is_over = True

    async def _part(self, hung_up: bool) -> None:
        try:
            row = await self._accepting
        except Exception:  # the request was told
            return
        if self._is_over or row.is_over:
            return
        await (_hang_up(row, self._upload) if hung_up else _leave(row))


@shared
def _keep(row: Transcription) -> None:
    with scope.bound(row.tenant_id):
        waiters.keep(row)


@shared
def _leave(row: Transcription) -> None:
    with scope.bound(row.tenant_id):
        waiters.leave(row)


@shared
def _hang_up(row: Transcription, upload: timedelta) -> None:
    with scope.bound(row.tenant_id):
        waiters.hang_up(row, upload)

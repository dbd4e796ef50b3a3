"""One look at the database for everybody who waits in this process: events say when, a clock says when at the latest.

500 requests that wait are one channel of the channel layer and one query every POLL_SECONDS.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from contextvars import Context
from typing import Any, NamedTuple
from uuid import UUID

from channels.layers import get_channel_layer

from portal.http.outage import AWAY
from portal.http.thread_pools import shared
from tenants import scope
from transcription.models import Status, Transcription
from transcription.queue import progress

log = logging.getLogger(__name__)
POLL_SECONDS = 2.0
REDIS_PATIENCE_SECONDS = 1.0
BATCH = 500


class Standing(NamedTuple):
    """How far a transcription is, as the database had it a moment ago."""

    status: str
    sequence: int

    @property
    def is_over(self) -> bool:
        return self.status not in (Status.QUEUED, Status.RUNNING)


DELETED = Standing("", 0)


class Watch:
    """One waiter's view of a transcription. Of one event loop, like the hub."""

    def __init__(self) -> None:
        self.standing: Standing | None = None
        self._news = asyncio.Event()

    def tell(self, standing: Standing) -> None:
        if standing != self.standing:
            self.standing = standing
            self._news.set()

    async def news(self) -> Standing:
        """The standing, once it is another one than at the last call."""
        await self._news.wait()
        self._news.clear()
        assert self.standing is not None
        return self.standing

    async def end(self) -> None:
        """Returns once the transcription is over, or deleted."""
        while not (await self.news()).is_over:
            pass


class Hub:
    """Knows who waits for what in one event loop, and asks the database for all of them."""

    def __init__(self) -> None:
        self._watches: dict[UUID, set[Watch]] = {}
        self._asked: set[UUID] = set()
        self._bell = asyncio.Event()
        self._channel: str | None = None
        self._layer: Any = get_channel_layer()
        # In contexts of their own: whoever asked first takes his with him when he goes.
        self.loop = asyncio.get_running_loop()
        self._tasks = [
            self.loop.create_task(self._look_again_and_again(), context=Context()),
            self.loop.create_task(self._listen_again_and_again(), context=Context()),
        ]

    @asynccontextmanager
    async def watching(self, transcription_id: UUID) -> AsyncIterator[Watch]:
        watch = Watch()
        others = self._watches.setdefault(transcription_id, set())
        others.add(watch)
        try:
            if len(others) == 1:
                await self._join(transcription_id)
            self._ask(transcription_id)
            yield watch
        finally:
            others.discard(watch)
            if not others and self._watches.get(transcription_id) is others:
                del self._watches[transcription_id]
                await asyncio.shield(self._leave(transcription_id))

    def _ask(self, transcription_id: UUID) -> None:
        self._asked.add(transcription_id)
        self._bell.set()

    async def _look_again_and_again(self) -> None:
        next_round = self.loop.time() + POLL_SECONDS
        while True:
            try:
                async with asyncio.timeout_at(next_round):
                    await self._bell.wait()
            except TimeoutError:
                self._asked.update(self._watches)
                next_round = self.loop.time() + POLL_SECONDS
            self._bell.clear()
            asked, self._asked = [one for one in self._asked if one in self._watches], set()
            if asked:
                await self._look(asked)

    async def _look(self, asked: list[UUID]) -> None:
        try:
            found = await standings(asked)
        except AWAY as error:
            log.warning("Nobody knows how far transcriptions are (%s); asking again.", str(error).strip())
            return
        except Exception:
            log.exception("The standing of transcriptions could not be read; asking again.")
            return
        for transcription_id in asked:
            for watch in self._watches.get(transcription_id, ()):
                watch.tell(found.get(transcription_id, DELETED))

    async def _listen_again_and_again(self) -> None:
        while True:
            try:
                await self._listen()
            except Exception as error:
                self._channel = None
                log.warning("Waiting without events (%s).", error or type(error).__name__)
                await asyncio.sleep(POLL_SECONDS)

    async def _listen(self) -> None:
        self._channel = channel = await self._layer.new_channel()
        for transcription_id in list(self._watches):
            await self._layer.group_add(progress.transcription_group(transcription_id), channel)
        while True:
            event = await self._layer.receive(channel)
            if (transcription_id := UUID(event["transcription"])) in self._watches:
                self._ask(transcription_id)

    async def _join(self, transcription_id: UUID) -> None:
        if self._channel is not None:
            try:
                async with asyncio.timeout(REDIS_PATIENCE_SECONDS):
                    await self._layer.group_add(progress.transcription_group(transcription_id), self._channel)
            except Exception as error:
                log.warning("Waiting without events (%s).", error or type(error).__name__)

    async def _leave(self, transcription_id: UUID) -> None:
        if self._channel is not None:
            try:
                async with asyncio.timeout(REDIS_PATIENCE_SECONDS):
                    await self._layer.group_discard(progress.transcription_group(transcription_id), self._channel)
            except Exception as error:
                log.warning("A group was not left (%s); it expires.", error or type(error).__name__)


_hub: Hub | None = None


def hub() -> Hub:
    """The hub of the running event loop: a web process has one."""
    global _hub
    if _hub is None or _hub.loop is not asyncio.get_running_loop():
        _hub = Hub()
    return _hub


def standings_of(wanted: Collection[UUID]) -> dict[UUID, Standing]:
    """By id; those that are gone are missing."""
    ids, found = list(wanted), {}
    with scope.across_tenants("one look for whoever waits in this process"):
        for first in range(0, len(ids), BATCH):
            rows = Transcription.objects.filter(id__in=ids[first : first + BATCH]).order_by()
            for transcription_id, status, sequence in rows.values_list("id", "status", "sequence"):
                found[transcription_id] = Standing(status, sequence)
    return found


standings = shared(standings_of)

"""Asks the database once for all who wait for a transcription in this process.

Events of the channel layer say when to ask, and a clock when to ask at the latest: 500 requests that wait are one
channel and one query every POLL_SECONDS.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from contextvars import Context
from typing import Any, NamedTuple
from uuid import UUID

from channels.layers import get_channel_layer

from portal.http.outage import AWAY
from portal.http.thread_pools import in_thread
from tenants import scope
from transcription.models import Status, Transcription
from transcription.queue import progress

log = logging.getLogger(__name__)
POLL_SECONDS = 2.0
REDIS_TIMEOUT_SECONDS = 1.0
BATCH = 500


class StatusUpdate(NamedTuple):
    """How far a transcription is, as the database had it a moment ago."""

    status: str
    sequence: int

    @property
    def is_over(self) -> bool:
        return self.status not in (Status.QUEUED, Status.RUNNING)


DELETED = StatusUpdate("", 0)


class Subscription:
    """One waiter's view of a transcription. It belongs to one event loop, like the broker."""

    def __init__(self) -> None:
        self.latest: StatusUpdate | None = None
        self._is_new = asyncio.Event()

    def publish(self, update: StatusUpdate) -> None:
        if update != self.latest:
            self.latest = update
            self._is_new.set()

    async def next(self) -> StatusUpdate:
        """Returns the latest update, once it is another one than at the last call."""
        await self._is_new.wait()
        self._is_new.clear()
        assert self.latest is not None
        return self.latest

    async def wait_until_over(self) -> None:
        """Returns once the transcription is over, or deleted."""
        while not (await self.next()).is_over:
            pass


class StatusBroker:
    """Knows who waits for what in one event loop, and asks the database for all of them."""

    def __init__(self) -> None:
        self._subscriptions: dict[UUID, set[Subscription]] = {}
        self._requested: set[UUID] = set()
        self._wake = asyncio.Event()
        self._channel: str | None = None
        self._layer: Any = get_channel_layer()
        # In contexts of their own: otherwise the first subscriber's request and tenant would stay bound in them.
        self.loop = asyncio.get_running_loop()
        self._tasks = [
            self.loop.create_task(self._poll(), context=Context()),
            self.loop.create_task(self._listen(), context=Context()),
        ]

    @asynccontextmanager
    async def subscribe(self, transcription_id: UUID) -> AsyncIterator[Subscription]:
        subscription = Subscription()
        others = self._subscriptions.setdefault(transcription_id, set())
        others.add(subscription)
        try:
            if len(others) == 1:
                await self._join_group(transcription_id)
            self._request(transcription_id)
            yield subscription
        finally:
            others.discard(subscription)
            if not others and self._subscriptions.get(transcription_id) is others:
                del self._subscriptions[transcription_id]
                await asyncio.shield(self._leave_group(transcription_id))

    def _request(self, transcription_id: UUID) -> None:
        self._requested.add(transcription_id)
        self._wake.set()

    async def _poll(self) -> None:
        next_round = self.loop.time() + POLL_SECONDS
        while True:
            try:
                async with asyncio.timeout_at(next_round):
                    await self._wake.wait()
            except TimeoutError:
                self._requested.update(self._subscriptions)
                next_round = self.loop.time() + POLL_SECONDS
            self._wake.clear()
            wanted, self._requested = [one for one in self._requested if one in self._subscriptions], set()
            if wanted:
                await self._publish(wanted)

    async def _publish(self, wanted: list[UUID]) -> None:
        try:
            found = await in_thread(read_statuses)(wanted)
        except AWAY as error:
            log.warning("The status of transcriptions is unknown (%s); asking again.", str(error).strip())
            return
        except Exception:
            log.exception("The status of transcriptions could not be read; asking again.")
            return
        for transcription_id in wanted:
            for subscription in self._subscriptions.get(transcription_id, ()):
                subscription.publish(found.get(transcription_id, DELETED))

    async def _listen(self) -> None:
        """Receives events for as long as the process lives; without Redis the clock alone says when to ask."""
        while True:
            try:
                await self._receive_events()
            except Exception as error:
                self._channel = None
                log.warning("Waiting without events (%s).", str(error) or type(error).__name__)
                await asyncio.sleep(POLL_SECONDS)

    async def _receive_events(self) -> None:
        self._channel = channel = await self._layer.new_channel()
        for transcription_id in list(self._subscriptions):
            await self._layer.group_add(progress.transcription_group(transcription_id), channel)
        while True:
            event = await self._layer.receive(channel)
            if (transcription_id := UUID(event["transcription"])) in self._subscriptions:
                self._request(transcription_id)

    async def _join_group(self, transcription_id: UUID) -> None:
        await self._change_group(self._layer.group_add, transcription_id, "Waiting without events (%s).")

    async def _leave_group(self, transcription_id: UUID) -> None:
        await self._change_group(self._layer.group_discard, transcription_id, "A group was not left (%s); it expires.")

    async def _change_group(self, change: Callable[..., Any], transcription_id: UUID, warning: str) -> None:
        """Joins or leaves the transcription's group; logs the warning where Redis does not answer in time."""
        if self._channel is not None:
            try:
                async with asyncio.timeout(REDIS_TIMEOUT_SECONDS):
                    await change(progress.transcription_group(transcription_id), self._channel)
            except Exception as error:
                log.warning(warning, str(error) or type(error).__name__)


_broker: StatusBroker | None = None


def broker() -> StatusBroker:
    """Returns the broker of the running event loop; a web process has one."""
    global _broker
    if _broker is None or _broker.loop is not asyncio.get_running_loop():
        _broker = StatusBroker()
    return _broker


def read_statuses(wanted: Collection[UUID]) -> dict[UUID, StatusUpdate]:
    """Returns the latest update of each by id; those that were deleted are missing."""
    ids, found = list(wanted), {}
    with scope.across_tenants("one query for all who wait in this process"):
        for first in range(0, len(ids), BATCH):
            rows = Transcription.objects.filter(id__in=ids[first : first + BATCH]).order_by()
            for transcription_id, status, sequence in rows.values_list("id", "status", "sequence"):
                found[transcription_id] = StatusUpdate(status, sequence)
    return found

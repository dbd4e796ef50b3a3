"""What WebSockets have in common, whoever may open them."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress

from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncJsonWebsocketConsumer, AsyncWebsocketConsumer

from portal.http.asgi import Message, Receive, Scope, Send
from portal.http.outage import AWAY

log = logging.getLogger(__name__)
RECHECK_SECONDS = 3.0
JOIN_AGAIN_SECONDS = 60.0
"""How often a socket joins its group again: a Redis that lost what it held has forgotten who is in it."""

REDIS_TIMEOUT_SECONDS = 1.0
NOT_SIGNED_IN, NOT_FOUND, OTHER_TENANT, INTERNAL_ERROR = 4401, 4404, 4409, 1011


class ClosingConsumer(AsyncWebsocketConsumer):
    """A socket that sends nothing once it is closed, by whichever side."""

    is_closed = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_or_stop(message: Message) -> None:
            if self.is_closed:
                raise StopConsumer
            self.is_closed = message["type"] == "websocket.close"
            try:
                await send(message)
            except OSError as gone:  # as ASGI has it for a closed connection
                raise StopConsumer from gone

        await super().__call__(scope, receive, send_or_stop)


class CheckedConsumer(ClosingConsumer, AsyncJsonWebsocketConsumer):
    """A socket that hears the events of a group, and whose owner is checked again while it is open."""

    group = ""
    checking: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:  # `disconnect` is not called where a client went in the middle of a message
            if self.checking is not None:
                self.checking.cancel()

    async def disconnect(self, code: int) -> None:
        if self.group:
            with suppress(Exception):  # the channel layer forgets who is silent
                await self.channel_layer.group_discard(self.group, self.channel_name)

    async def join(self) -> None:
        """Joins the group. Without the channel layer the socket still works: `recheck` tells what is new."""
        try:
            async with asyncio.timeout(REDIS_TIMEOUT_SECONDS):
                await self.channel_layer.group_add(self.group, self.channel_name)
        except Exception as error:
            log.warning("A socket works without events (%s).", str(error) or type(error).__name__)

    def keep_checking(self) -> None:
        """Has the owner checked every RECHECK_SECONDS until the socket is closed."""
        self.checking = asyncio.create_task(self._keep_checking())

    async def recheck(self) -> None:
        """Looks at who has the socket, and closes it where they may have it no longer. May raise AWAY."""
        raise NotImplementedError

    def suspend(self) -> None:
        """Is called while nobody knows whether the owner may have the socket, as the database is away."""

    async def _keep_checking(self) -> None:
        joined = time.monotonic()
        while not self.is_closed:
            await asyncio.sleep(RECHECK_SECONDS)
            if time.monotonic() >= joined + JOIN_AGAIN_SECONDS:
                await self.join()
                joined = time.monotonic()
            try:
                await self.recheck()
            except AWAY as error:
                self.suspend()
                log.warning("A socket could not be checked (%s); trying again.", str(error).strip())
            except StopConsumer:
                return
            except Exception:
                log.exception("A socket could not be checked")
                with suppress(StopConsumer):
                    await self.close(INTERNAL_ERROR)
                return

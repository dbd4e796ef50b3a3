"""WebSockets of the operations pages: only from our own pages, and for operators' sessions."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl

from channels.db import database_sync_to_async
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.urls import path

from portal.http import authentication
from portal.http.asgi import Message, Receive, Scope, Send
from portal.http.outage import AWAY
from portal.ops.board import Board, View
from portal.ops.pages import ASKED, PUSHED
from tenants.models import User
from transcription.alerts.receivers import PERMISSION
from transcription.queue import progress

log = logging.getLogger(__name__)
ACTING = "transcription.act_on_operations"
RECHECK_SECONDS = 3.0
REDIS_TIMEOUT_SECONDS = 1.0
NOT_SIGNED_IN, NOT_FOUND, INTERNAL_ERROR = 4401, 4404, 1011
LONGEST_QUERY = 500

_boards: dict[asyncio.AbstractEventLoop, Board] = {}


def board() -> Board:
    """Returns the board of this process, which has one event loop."""
    return _boards.setdefault(asyncio.get_running_loop(), Board())


class OperationsConsumer(AsyncJsonWebsocketConsumer):
    """/ws/operations/<page>/: the changing part of a page, as HTML, whenever it changes."""

    is_closed = False
    recheck: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_or_stop(message: Message) -> None:
            if self.is_closed:
                raise StopConsumer
            self.is_closed = message["type"] == "websocket.close"
            try:
                await send(message)
            except OSError as gone:
                raise StopConsumer from gone

        self.shown = self.show
        try:
            await super().__call__(scope, receive, send_or_stop)
        finally:
            if self.recheck is not None:
                self.recheck.cancel()
            board().leave(self.shown)

    async def connect(self) -> None:
        await self.accept()
        user, page = await self.operator(), self.scope["url_route"]["kwargs"]["page"]
        if user is None:
            await self.close(NOT_SIGNED_IN)
        elif page not in PUSHED:
            await self.close(NOT_FOUND)
        else:
            await self._join()
            board().join(self.shown, await self.view(user, page))
            self.recheck = asyncio.create_task(self._keep_checking())

    async def _join(self) -> None:
        """Joins the operators' group. Without the channel layer the page is pushed every few seconds."""
        try:
            async with asyncio.timeout(REDIS_TIMEOUT_SECONDS):
                await self.channel_layer.group_add(progress.OPERATORS, self.channel_name)
        except Exception as error:
            log.warning("A socket works without events (%s).", str(error) or type(error).__name__)

    async def disconnect(self, code: int) -> None:
        board().leave(self.shown)
        with suppress(Exception):  # the channel layer forgets who is silent
            await self.channel_layer.group_discard(progress.OPERATORS, self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any) -> None:
        """Ignores what is sent: pages send nothing."""

    async def operators_changed(self, _event: dict[str, Any]) -> None:
        board().change()

    async def show(self, html: str) -> None:
        """Sends a page, unless the socket is closed."""
        with suppress(StopConsumer):
            await self.send_json({"type": "part", "html": html})

    @database_sync_to_async
    def operator(self) -> User | None:
        """Returns the operator as the database has them now; None for whoever may not see operations."""
        user = authentication.operator_of(self.scope)
        return user if user is not None and user.has_perm(PERMISSION) else None

    @database_sync_to_async
    def view(self, user: User, page: str) -> View:
        query = self.scope.get("query_string", b"").decode("latin-1")[:LONGEST_QUERY]
        asked = {name: value for name, value in parse_qsl(query) if name in ASKED}
        language = authentication.language_of(self.scope)
        return View(page, tuple(sorted(asked.items())), language, user.has_perm(ACTING))

    async def _keep_checking(self) -> None:
        while True:
            await asyncio.sleep(RECHECK_SECONDS)
            try:
                user = await self.operator()
                if user is None:
                    await self._end(NOT_SIGNED_IN)
                    return
                board().join(self.shown, await self.view(user, self.scope["url_route"]["kwargs"]["page"]))
            except AWAY as error:
                log.warning("A socket could not be checked (%s); trying again.", str(error).strip())
                board().leave(self.shown)
            except StopConsumer:
                return
            except Exception:
                log.exception("A socket could not be checked")
                await self._end(INTERNAL_ERROR)
                return

    async def _end(self, code: int) -> None:
        board().leave(self.shown)
        with suppress(StopConsumer):
            await self.close(code)


routes = [path("ws/operations/<slug:page>/", OperationsConsumer.as_asgi())]

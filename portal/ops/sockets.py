"""WebSockets of the operations pages: only from our own pages, and for operators' sessions."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl

from channels.db import database_sync_to_async
from channels.exceptions import StopConsumer
from django.urls import path

from portal.http import authentication
from portal.http.asgi import Receive, Scope, Send
from portal.http.sockets import NOT_FOUND, NOT_SIGNED_IN, CheckedConsumer
from portal.ops.board import Board, View
from portal.ops.pages import ASKED, PUSHED
from tenants.models import User
from transcription.alerts.receivers import PERMISSION
from transcription.queue import progress

ACTING = "transcription.act_on_operations"
LONGEST_QUERY = 500

_boards: dict[asyncio.AbstractEventLoop, Board] = {}


def board() -> Board:
    """Returns the board of this process, which has one event loop."""
    return _boards.setdefault(asyncio.get_running_loop(), Board())


class OperationsConsumer(CheckedConsumer):
    """/ws/operations/<page>/: the changing part of a page, as HTML, whenever it changes."""

    group = progress.OPERATORS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.shown = self.show
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.suspend()

    async def connect(self) -> None:
        await self.accept()
        user, page = await self.operator(), self.scope["url_route"]["kwargs"]["page"]
        if user is None:
            await self.close(NOT_SIGNED_IN)
        elif page not in PUSHED:
            await self.close(NOT_FOUND)
        else:
            await self.join()
            board().join(self.shown, await self.view(user, page))
            self.keep_checking()

    async def close(self, code: int | None = None, reason: str | None = None) -> None:
        self.suspend()
        await super().close(code, reason)

    async def disconnect(self, code: int) -> None:
        self.suspend()
        await super().disconnect(code)

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

    async def recheck(self) -> None:
        user = await self.operator()
        if user is None:
            await self.close(NOT_SIGNED_IN)
        else:
            board().join(self.shown, await self.view(user, self.scope["url_route"]["kwargs"]["page"]))

    def suspend(self) -> None:
        board().leave(self.shown)


routes = [path("ws/operations/<slug:page>/", OperationsConsumer.as_asgi())]

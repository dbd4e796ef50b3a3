"""Tells views how their request ended: answered, or given up by a client that disconnected before."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from django.http import HttpRequest

from portal.http.asgi import Application, Message, Receive, Scope, Send, scope_of

log = logging.getLogger(__name__)
SCOPE_KEY = "portal.connection"
OnEnd = Callable[[bool], Awaitable[None]]


class Connection:
    """The client's end of one HTTP request. `is_lost` once it disconnected before the last byte of its answer was sent.

    A server that stops ends its requests too: those clients did not disconnect.
    """

    def __init__(self) -> None:
        self.is_lost = False
        self._is_answered = False
        self._callbacks: list[OnEnd] = []

    def on_end(self, callback: OnEnd) -> None:
        """Awaits `callback(is_lost)` when the request is over, whatever its end is."""
        self._callbacks.append(callback)

    def watch_receive(self, receive: Receive) -> Receive:
        async def receive_and_note() -> Message:
            message = await receive()
            if message["type"] == "http.disconnect" and not self._is_answered:
                self.is_lost = True
            return message

        return receive_and_note

    def watch_send(self, send: Send) -> Send:
        async def note_and_send(message: Message) -> None:
            if message["type"] == "http.response.body" and not message.get("more_body"):
                self._is_answered = True
            await send(message)

        return note_and_send

    async def end(self) -> None:
        for callback in self._callbacks:
            try:
                await callback(self.is_lost)
            except Exception:
                log.exception("What follows the end of a request failed")


class DisconnectMiddleware:
    """ASGI middleware that puts a Connection into each HTTP scope."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = scope[SCOPE_KEY] = Connection()
        try:
            await self.application(scope, connection.watch_receive(receive), connection.watch_send(send))
        finally:
            await connection.end()


def connection_of(request: HttpRequest) -> Connection:
    """Returns the request's connection; without an ASGI server around Django, one that is never lost."""
    connection: Connection = scope_of(request).get(SCOPE_KEY) or Connection()
    return connection

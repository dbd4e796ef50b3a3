"""Clients that hang up: the end of a request is told to whoever asked, with whether its client went before it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from django.http import HttpRequest

from portal.http.uploads import Application, Message, Receive, Scope, Send

log = logging.getLogger(__name__)
SCOPE_KEY = "portal.client"
Farewell = Callable[[bool], Awaitable[None]]


class Client:
    """Who sent one HTTP request. It hung up where it went before the last byte of its answer was sent.

    A server that stops ends its requests too: those clients did not hang up.
    """

    def __init__(self) -> None:
        self.hung_up = False
        self._is_answered = False
        self._farewells: list[Farewell] = []

    def at_the_end(self, farewell: Farewell) -> None:
        """`farewell(hung_up)` is awaited when the request is over, whatever its end is."""
        self._farewells.append(farewell)

    def listening(self, receive: Receive) -> Receive:
        async def receive_and_note() -> Message:
            message = await receive()
            if message["type"] == "http.disconnect" and not self._is_answered:
                self.hung_up = True
            return message

        return receive_and_note

    def answering(self, send: Send) -> Send:
        async def note_and_send(message: Message) -> None:
            if message["type"] == "http.response.body" and not message.get("more_body"):
                self._is_answered = True
            await send(message)

        return note_and_send

    async def part(self) -> None:
        for farewell in self._farewells:
            try:
                await farewell(self.hung_up)
            except Exception:
                log.exception("A request was not ended as it should be")


class HangUpMiddleware:
    """ASGI middleware that puts a Client into each HTTP scope."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = scope[SCOPE_KEY] = Client()
        try:
            await self.application(scope, client.listening(receive), client.answering(send))
        finally:
            await client.part()


def client_of(request: HttpRequest) -> Client:
    """Without an ASGI server around Django, one that never hangs up."""
    client: Client = getattr(request, "scope", {}).get(SCOPE_KEY) or Client()
    return client

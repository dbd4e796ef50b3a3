"""Types of the ASGI protocol, and wrappers of its two callables, `receive` and `send`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from django.http import HttpRequest

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

DRAIN_BYTES = 4 * 1024 * 1024


def scope_of(request: HttpRequest) -> Scope:
    """Returns the ASGI scope of a request; of one that came over WSGI, as from Django's test client, an equivalent."""
    if not hasattr(request, "scope"):
        request.scope = {  # type: ignore[attr-defined]
            "type": "http",
            "method": request.method,
            "path": request.path,
            "client": (request.META.get("REMOTE_ADDR", ""), 0),
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in request.headers.items()],
        }
    scope: Scope = request.scope  # type: ignore[attr-defined]
    return scope


def headers_of(scope: Scope) -> dict[str, str]:
    """Returns the request's headers by name in lower case."""
    return {name: header(scope, name) for name in {key.decode("latin-1") for key, _value in scope.get("headers", ())}}


def header(scope: Scope, name: str) -> str:
    """Returns a header by its name in lower case, several joined as Django joins them; empty without one."""
    wanted = name.encode("latin-1")
    values = [value.decode("latin-1") for key, value in scope.get("headers", ()) if key == wanted]
    return ("; " if name == "cookie" else ",").join(values)


def empty_body(receive: Receive) -> Receive:
    """Returns a receive that ends the body at once; later calls wait for the real one, that is for a disconnect."""
    is_ended = False

    async def receive_end() -> Message:
        nonlocal is_ended
        if is_ended:
            return await receive()
        is_ended = True
        return {"type": "http.request", "body": b"", "more_body": False}

    return receive_end


async def receive_nothing() -> Message:
    """Waits for ever, as a receive; Django cancels it when its view is done."""
    return await asyncio.Future()


def before_answer(send: Send, callback: Callable[[], Awaitable[None]]) -> Send:
    """Returns a send that awaits `callback` before the first byte of the answer leaves."""
    is_called = False

    async def call_and_send(message: Message) -> None:
        nonlocal is_called
        if not is_called:
            is_called = True
            await callback()
        await send(message)

    return call_and_send


def closing(send: Send) -> Send:
    """Returns a send whose answer tells the client that the connection ends with it."""

    async def send_and_close(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", []), (b"connection", b"close")]
        await send(message)

    return send_and_close


class UnreadBody:
    """The rest of a body that is not taken: up to DRAIN_BYTES are read, so that the client gets to read the answer."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._left = DRAIN_BYTES
        self._is_ended = False

    async def drain(self) -> None:
        while not self._is_ended and self._left > 0:
            message = await self._receive()
            self._left -= len(message.get("body", b""))
            self._is_ended = message["type"] == "http.disconnect" or not message.get("more_body")

    async def wait_for_disconnect(self) -> Message:
        """Returns once the client has disconnected; never where it sends on and on."""
        await self.drain()
        if self._is_ended:
            return await self._receive()
        return await asyncio.Future()


async def answer_unread(application: Application, scope: Scope, receive: Receive, send: Send) -> None:
    """Lets `application` answer a request whose body, or the rest of it, is not taken; then the connection ends."""
    rest = UnreadBody(receive)
    await application(scope, empty_body(rest.wait_for_disconnect), closing(send))
    await rest.drain()

"""Limits bodies that are no uploads: forms, and the JSON of the APIs. The rest of a larger one is not read."""

from __future__ import annotations

from django.http import HttpRequest

from portal.http.asgi import Application, Message, Receive, Scope, Send, UnreadBody, closing, header, scope_of
from portal.http.routes import Body, route_of

SCOPE_KEY = "portal.body_too_large"


class BodyLimitMiddleware:
    """ASGI middleware: ends a body where it passes its route's limit, or says that it will, and notes so."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if route_of(scope).body is not Body.SMALL:
            await self.application(scope, receive, send)
            return
        body = LimitedBody(scope, receive)
        await self.application(scope, body.receive, body.closing(send))
        await body.drain()


class LimitedBody:
    """A request's body, up to its route's limit."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._scope, self._receive, self._rest = scope, receive, UnreadBody(receive)
        self._limit = self._left = route_of(scope).body_bytes

    async def receive(self) -> Message:
        if self._is_over:
            return await self._rest.wait_for_disconnect()
        message = await self._receive()
        announced = _announced(self._scope) if message.get("more_body") else 0
        self._left -= len(message.get("body", b""))
        if self._is_over or announced > self._limit:
            self._left = -1
            self._scope[SCOPE_KEY] = True
            return {"type": "http.request", "body": b"", "more_body": False}
        return message

    def closing(self, send: Send) -> Send:
        """Returns a send that ends the connection after the answer to a body that was not read to its end."""
        close = closing(send)

        async def send_or_close(message: Message) -> None:
            await (close if self._is_over else send)(message)

        return send_or_close

    async def drain(self) -> None:
        if self._is_over:
            await self._rest.drain()

    @property
    def _is_over(self) -> bool:
        return self._left < 0


def exceeded_limit(request: HttpRequest) -> int | None:
    """Returns the limit in bytes that the body passed; None where it passed none."""
    scope = scope_of(request)
    return route_of(scope).body_bytes if scope.get(SCOPE_KEY) else None


def _announced(scope: Scope) -> int:
    """Returns the length that the request's headers say; 0 where they say none."""
    length = header(scope, "content-length")
    return int(length) if length.isascii() and length.isdigit() else 0

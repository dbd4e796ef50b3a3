"""Gives each HTTP request and WebSocket an id, which its log lines and its answer carry."""

from __future__ import annotations

import re
import uuid

from portal.http.asgi import Application, Message, Receive, Scope, Send, header
from transcription import request_id

HEADER = "x-request-id"
ACCEPTABLE = re.compile(rf"[A-Za-z0-9._-]{{1,{request_id.MAX_LENGTH}}}")


class RequestIdMiddleware:
    """ASGI middleware: takes the client's `x-request-id` where it is a plain one, else makes one."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        bound_id = _given(scope) or f"req_{uuid.uuid4().hex}"

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (HEADER.encode(), bound_id.encode("ascii"))]
            await send(message)

        with request_id.bound(bound_id):
            await self.application(scope, receive, send_with_id)


def _given(scope: Scope) -> str:
    """Returns the client's id; empty where it sent none, or one that must not stand in a log line."""
    given = header(scope, HEADER)
    return given if ACCEPTABLE.fullmatch(given) else ""

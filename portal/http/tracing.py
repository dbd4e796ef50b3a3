"""Sends a span of each HTTP request to an OpenTelemetry collector."""

from __future__ import annotations

import time

from django.conf import settings

from portal.http.asgi import Application, Message, Receive, Scope, Send
from portal.http.request_metrics import method_of, route_of
from portal.http.routes import PROBES
from transcription import request_id, tracing
from transcription.tracing import Span


class TracingMiddleware:
    """ASGI middleware, within RequestIdMiddleware. Of what was asked for, only the pattern of its URL is told."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not tracing.is_on() or _is_left_out(scope["path"]):
            await self.application(scope, receive, send)
            return
        begin, status = time.time(), 0

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.application(scope, receive, send_and_note)
        finally:
            method, route = method_of(scope), route_of(scope)
            attributes: dict[str, str | int | float] = {"http.request.method": method, "http.route": route}
            attributes |= {"http.response.status_code": status} if status else {}
            error = "" if 0 < status < 500 else str(status or "disconnected")
            span = Span(f"{method} {route}", begin, time.time(), attributes, error, "SERVER")
            tracing.send_request(request_id.current(), span)


def _is_left_out(path: str) -> bool:
    return path in PROBES or path.startswith(settings.STATIC_URL)

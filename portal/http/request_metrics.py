"""Counts requests and times their answers, for /metrics."""

from __future__ import annotations

import time
from contextlib import suppress

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import CollectorRegistry

from portal.http.asgi import Application, Message, Receive, Scope, Send, scope_of
from portal.http.async_middleware import AsyncMiddleware
from portal.http.routes import PROBES

SCOPE_KEY = "portal.view"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

requests = Counter("portal_http_requests", "HTTP requests that were answered.", ["route", "method", "status"])
seconds = Histogram(
    "portal_http_request_duration_seconds",
    "From the head of an HTTP request to the head of its answer.",
    ["route", "method"],
    buckets=BUCKETS,
)
disconnected = Counter("portal_http_requests_disconnected", "HTTP requests whose client was gone first.", ["route"])
websockets = Gauge("portal_websockets_open", "WebSockets that are open.", multiprocess_mode="livesum")


class RequestMetricsMiddleware:
    """ASGI middleware that counts what passes. `route` is a URL pattern of ours, never what a client wrote."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
            return
        begin, is_answered = time.perf_counter(), False

        async def send_and_count(message: Message) -> None:
            nonlocal is_answered
            if message["type"] == "http.response.start":
                is_answered = True
                route, method = route_of(scope), method_of(scope)
                seconds.labels(route, method).observe(time.perf_counter() - begin)
                requests.labels(route, method, str(message["status"])).inc()
            await send(message)

        try:
            await self.application(scope, receive, send_and_count)
        finally:
            if not is_answered:
                disconnected.labels(route_of(scope)).inc()

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_open = False

        async def send_and_count(message: Message) -> None:
            nonlocal is_open
            if message["type"] == "websocket.accept":
                is_open = True
                websockets.inc()
            await send(message)

        try:
            await self.application(scope, receive, send_and_count)
        finally:
            if is_open:
                websockets.dec()


class ViewMiddleware(AsyncMiddleware):
    """Notes in a request's scope the pattern of the URL that its view answers."""

    async def process_view(self, request: HttpRequest, *_view: object) -> HttpResponseBase | None:
        if request.resolver_match:
            scope_of(request)[SCOPE_KEY] = request.resolver_match.route
        return None


def registry() -> CollectorRegistry:
    """Returns what all web processes of this host have counted; nothing where they don't count together."""
    result = CollectorRegistry()
    with suppress(ValueError):
        MultiProcessCollector(result)  # type: ignore[no-untyped-call]
    return result


def route_of(scope: Scope) -> str:
    route: str | None = scope.get(SCOPE_KEY)
    if route is not None:
        return f"/{route}"
    path: str = scope["path"]
    if path in PROBES:
        return path
    return settings.STATIC_URL if path.startswith(settings.STATIC_URL) else "none"


def method_of(scope: Scope) -> str:
    method: str = scope["method"]
    return method if method in METHODS else "other"

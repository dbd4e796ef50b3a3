"""Bodies that are no uploads are small: forms, and the JSON of the APIs. Of a larger one the rest is not read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from portal.http.request_budget import scope_of
from portal.web.errors import too_large

API = "/api/v1/"
FORM_BYTES = 2 * 1024**2
SCOPE_KEY = "portal.body_too_large"


def limit_of(path: str) -> int:
    """The most bytes that a body for this path may have."""
    return int(settings.DATA_UPLOAD_MAX_MEMORY_SIZE) if path.startswith(API) else FORM_BYTES


def announced(scope: MutableMapping[str, Any]) -> int:
    """The length that the request's headers say; 0 where they say none."""
    length = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
    return int(length) if length.isdigit() else 0


class BodyLimitMiddleware:
    """Answers requests whose body passed its limit before Django saw it."""

    sync_capable = False
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Awaitable[HttpResponseBase]]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    async def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if SCOPE_KEY in scope_of(request):
            return await sync_to_async(too_large)(request, limit_of(request.path))  # its page may ask for the session
        return await self.get_response(request)

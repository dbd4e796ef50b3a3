"""While the database is away: 503 and a time to come back, instead of a failure of ours."""

from __future__ import annotations

import logging
from collections.abc import Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse

from portal.web.errors import unavailable

log = logging.getLogger(__name__)
AWAY = (OperationalError, InterfaceError)
COME_BACK = {"Retry-After": "2"}


class OutageMiddleware:
    """Answers for views that could not reach the database."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, AWAY):
            return None
        log.error("The database is away: %s", str(error).strip())
        return unavailable(request, COME_BACK)

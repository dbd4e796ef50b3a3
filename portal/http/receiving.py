"""Takes large bodies before Django sees their request, which comes without one and with the outcome in its scope.

The headers alone say who sends, and whether it may. The body of nobody, or of a refused request, is not read: a view
says why.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Protocol, TypeVar
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest

from portal.http import authentication, request_budget
from portal.http.asgi import (
    Application,
    Receive,
    Scope,
    Send,
    answer_unread,
    before_answer,
    empty_body,
    receive_nothing,
    scope_of,
)
from portal.http.outage import AWAY, log_outage
from portal.http.routes import Body, route_of
from portal.http.thread_pools import in_thread, thread_user
from tenants.access import Actor
from tenants.announcements import ReadingOnly
from tenants.api_keys import KeyRefused
from tenants.rate_limit import TooManyRequests
from tenants.session_access import TenantClosed, TenantMismatch
from transcription.errors import InvalidOption, Refused

log = logging.getLogger(__name__)
SCOPE_KEY = "portal.received"
RECHECK_SECONDS = 3.0
"""After a body that took longer, its sender is authenticated anew."""
Outcome = TypeVar("Outcome")


class UploadRefused(Exception):
    """The body could not be taken; `limit` in bytes. `code`: too_large, malformed, no_file, no_room, unavailable."""

    def __init__(self, code: str, detail: str = "", limit: int = 0) -> None:
        super().__init__(detail or code)
        self.code = code
        self.limit = limit


REFUSALS = (UploadRefused, Refused, InvalidOption, PermissionDenied, Http404)
"""What a body may be refused with; views raise it again."""


class ClientDisconnected(Exception):
    """The client closed the connection in the middle of its body."""


class Destination(Protocol):
    """Where the bytes of one request go."""

    @property
    def tenant_id(self) -> UUID: ...

    async def take(self, receive: Receive) -> object:
        """Takes the body, and returns what its view gets. Raises REFUSALS and ClientDisconnected."""

    async def release(self) -> None:
        """Gives up what no view has taken: before an answer leaves, and at the end."""


Open = Callable[[Scope, Actor, HttpRequest], Destination]
"""Returns where the body of an actor's request goes, in a thread. Raises REFUSALS."""


class ReceivingMiddleware:
    """ASGI middleware: takes the bodies of the kinds in `openers`."""

    def __init__(self, application: Application, openers: Mapping[Body, Open]) -> None:
        self.application, self.openers = application, openers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        open_destination = self.openers.get(route_of(scope).body)
        if open_destination is None:
            await self.application(scope, receive, send)
            return
        try:
            destination = await in_thread(_open)(open_destination, scope)
        except REFUSALS as refusal:
            scope[SCOPE_KEY], destination = refusal, None
        if destination is None:
            await answer_unread(self.application, scope, receive, send)
            return
        thread_user.set(destination.tenant_id)
        try:
            # Before the answer: whoever has read it may send the same file, or the next bytes, at once.
            await self._take(destination, scope, receive, before_answer(send, destination.release))
        finally:
            await destination.release()

    async def _take(self, destination: Destination, scope: Scope, receive: Receive, send: Send) -> None:
        begin = time.monotonic()
        try:
            scope[SCOPE_KEY] = await destination.take(receive)
        except REFUSALS as refusal:
            scope[SCOPE_KEY] = refusal
            await answer_unread(self.application, scope, receive, send)
        except ClientDisconnected:
            log.info("A client of tenant %s disconnected in the middle of its body.", destination.tenant_id)
        else:
            if time.monotonic() - begin > RECHECK_SECONDS:
                authentication.forget(scope)
            rest = receive if route_of(scope).sees_disconnect else receive_nothing
            await self.application(scope, empty_body(rest), send)


async def body_of(receive: Receive, silence_seconds: float | None = None) -> AsyncIterator[bytes]:
    """Yields a body as it comes. Raises ClientDisconnected, and TimeoutError where nothing comes for too long."""
    is_whole = False
    while not is_whole:
        async with asyncio.timeout(silence_seconds):
            message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        if body := message.get("body"):
            yield body
        is_whole = not message.get("more_body")


def outcome_of(request: HttpRequest, kind: type[Outcome], otherwise: str) -> Outcome:
    """Returns what was received for a request. Raises REFUSALS; `otherwise` says why where no body was looked for."""
    outcome = scope_of(request).get(SCOPE_KEY)
    if isinstance(outcome, kind):
        return outcome
    raise outcome if isinstance(outcome, REFUSALS) else UploadRefused("malformed", otherwise)


def _open(open_destination: Open, scope: Scope) -> Destination | None:
    """Returns None for nobody. Raises REFUSALS."""
    try:
        with authentication.request_before_django(scope) as request:
            actor = _admitted(scope)
            return open_destination(scope, actor, request) if actor is not None else None
    except AWAY as error:
        log_outage(error)
        raise UploadRefused("unavailable") from error


def _admitted(scope: Scope) -> Actor | None:
    """Returns who may send this body, and counts the request; None for anybody else, whom a view tells why."""
    try:
        actor = authentication.caller_of(scope).checked()
        if actor is not None:
            request_budget.spend(scope, actor)
    except (KeyRefused, TenantMismatch, TenantClosed, ReadingOnly, TooManyRequests):
        return None
    return actor if actor is not None and actor.may("recordings.create") else None

"""Streams uploads to disk, under the tenant's size limit, before Django sees the request.

Django's own handler takes a whole body first and asks questions later. This ASGI middleware knows who is
uploading from the headers alone, writes one file part to INCOMING_DIR as it arrives, never holds more than a
chunk of it, and stops reading the moment a limit is passed. It deletes what no view has taken at the end,
whatever that end is.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from asgiref.sync import sync_to_async
from django.conf import settings
from django.http import HttpRequest

from portal.http import authentication, json_body, request_budget
from portal.http.asgi import (
    Application,
    Receive,
    Scope,
    Send,
    answer_unread,
    before_answer,
    empty_body,
    header,
    receive_nothing,
    scope_of,
)
from portal.http.form_data import BadUpload, MultipartUpload, TooLarge, list_name
from portal.http.json_body import BadJson
from portal.http.outage import AWAY
from portal.http.routes import Body, route_of
from portal.http.thread_pools import in_thread, thread_user
from tenants.access import Actor, TenantMismatch
from tenants.api_keys import KeyRefused
from tenants.rate_limit import TooManyRequests

log = logging.getLogger(__name__)
SCOPE_KEY = "portal.upload"
RECHECK_SECONDS = 3.0
"""After a body that took longer, its sender is authenticated anew."""


@dataclass(frozen=True)
class Upload:
    """A request's file, on this machine's disk, and its other fields. `path` is deleted unless it is moved."""

    fields: dict[str, list[str]]
    file_name: str
    path: Path
    size: int
    sha256: str
    seconds: float = 0.0
    """How long it took to arrive."""

    def field(self, name: str, default: str = "") -> str:
        """Returns the last value given for a field."""
        return self.fields.get(name, [default])[-1]

    def every(self, name: str) -> list[str]:
        """Returns all values of a list: sent as `name`, `name[]`, `name[0]`, or at once as a JSON array of strings."""
        sent = (values for field, values in self.fields.items() if list_name(field) == name)
        return [text for values in sent for value in values for text in _strings(value)]


def _strings(value: str) -> list[str]:
    """Returns those of a JSON array of strings; any other value is one."""
    if value.lstrip().startswith("["):
        with suppress(BadJson):
            found = json_body.parse(value)
            if all(isinstance(one, str) for one in found):
                return list(found)
    return [value]


class UploadRefused(Exception):
    """The body could not be taken; `limit` in bytes. `code`: too_large, malformed, no_file, no_room, unavailable."""

    def __init__(self, code: str, detail: str = "", limit: int = 0) -> None:
        super().__init__(detail or code)
        self.code = code
        self.limit = limit


class ClientDisconnected(Exception):
    """The client closed the connection in the middle of its body."""


def received(request: HttpRequest) -> Upload:
    """Returns the upload of this request. Raises UploadRefused."""
    outcome = scope_of(request).get(SCOPE_KEY)
    if isinstance(outcome, Upload):
        return outcome
    if isinstance(outcome, UploadRefused):
        raise outcome
    raise UploadRefused("malformed", "The body must be multipart/form-data.")


class UploadMiddleware:
    """Hands Django a request without a body, and the upload in its scope."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if route_of(scope).body is not Body.FILE:
            await self.application(scope, receive, send)
            return
        try:
            actor = await in_thread(_sender)(scope)
        except AWAY as error:
            log.error("The database is away: %s", str(error).strip())
            scope[SCOPE_KEY], actor = UploadRefused("unavailable"), None
        if actor is None:
            await answer_unread(self.application, scope, receive, send)
            return
        thread_user.set(actor.tenant.id)
        await self._take(scope, receive, send, actor)

    async def _take(self, scope: Scope, receive: Receive, send: Send, actor: Actor) -> None:
        limit = min(actor.tenant.quota.upload_bytes, settings.UPLOAD_BYTES_LIMIT)
        upload = MultipartUpload(header(scope, "content-type"), settings.INCOMING_DIR, limit)
        discard = sync_to_async(upload.discard, thread_sensitive=False)
        send = before_answer(send, discard)  # the client may send the same file again at once
        try:
            scope[SCOPE_KEY] = outcome = await _stream(upload, scope, receive, limit)
            if outcome.seconds > RECHECK_SECONDS:
                authentication.forget(scope)
            rest = receive if route_of(scope).sees_disconnect else receive_nothing
            await self.application(scope, empty_body(rest), send)
        except UploadRefused as refused:
            scope[SCOPE_KEY] = refused
            await answer_unread(self.application, scope, receive, send)
        except ClientDisconnected:
            log.info("A client of tenant %s disconnected in the middle of its upload.", actor.tenant.id)
        finally:
            await discard()


def admitted(scope: Scope) -> Actor | None:
    """Returns who may send this body, and counts the request; None for anybody else, whom a view tells why."""
    try:
        actor = authentication.caller_of(scope).checked()
        if actor is not None:
            request_budget.spend(scope, actor)
    except (KeyRefused, TenantMismatch, TooManyRequests):
        return None
    return actor if actor is not None and actor.may("recordings.create") else None


def _sender(scope: Scope) -> Actor | None:
    with authentication.request_before_django(scope):
        return admitted(scope)


async def _stream(upload: MultipartUpload, scope: Scope, receive: Receive, limit: int) -> Upload:
    """Raises UploadRefused and ClientDisconnected."""
    begin = time.monotonic()
    try:
        if int(header(scope, "content-length") or 0) > limit + MultipartUpload.FIELDS_LIMIT:
            raise TooLarge
        feed = sync_to_async(upload.feed, thread_sensitive=False)
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnected
            if body := message.get("body"):
                await feed(body)
            if not message.get("more_body"):
                break
        return _finished(upload, time.monotonic() - begin)
    except TooLarge:
        raise UploadRefused("too_large", limit=limit) from None
    except BadUpload as error:
        raise UploadRefused("malformed", str(error)) from error
    except OSError as error:
        log.error("An upload could not be written: %s", error)
        raise UploadRefused("no_room") from error


def _finished(upload: MultipartUpload, seconds: float) -> Upload:
    upload.finish()
    if upload.path is None:
        raise UploadRefused("no_file", "The field `file` is missing.")
    return Upload(upload.fields, upload.file_name, upload.path, upload.size, upload.sha256, seconds)

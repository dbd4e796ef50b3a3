"""Uploads stream to disk under the tenant's size cap before Django sees the request.

Django's own handler takes a whole body first and asks questions later. This ASGI middleware knows who is
uploading from the headers alone, writes one file part to INCOMING_DIR as it arrives, never holds more than a
chunk of it, and stops reading the moment a limit is passed. What no view has taken is deleted at the end,
whatever that end is.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asgiref.sync import sync_to_async
from channels.db import database_sync_to_async
from django.conf import settings
from django.http import HttpRequest

from portal.http import body_limit, json_body, request_budget
from portal.http.form_data import BadUpload, MultipartUpload, TooLarge, list_name
from portal.http.json_body import BadJson
from portal.http.outage import AWAY
from portal.http.sessions import actor_of_session, session_key_of
from portal.http.thread_pools import caller
from tenants import addresses, api_keys
from tenants.access import Actor, OtherTenant, Page
from tenants.api_keys import KeyRefused
from tenants.rate_limit import TooManyRequests

log = logging.getLogger(__name__)
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

UPLOAD_PATHS = re.compile(r"^/(v1/audio/(transcriptions|translations)|api/v1/recordings|recordings/)$")
SCOPE_KEY = "portal.upload"
SHIELDED = "/v1/"
"""Their views see to it that what was begun is finished. Others are not told of a client that leaves, or the file
would go while a thread still stores it."""
DRAIN_BYTES = 4 * 1024 * 1024


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
        """The last value given for a field."""
        return self.fields.get(name, [default])[-1]

    def every(self, name: str) -> list[str]:
        """All values of a list field: sent as `name`, `name[]`, `name[0]`, or at once as a JSON array of texts."""
        sent = (values for field, values in self.fields.items() if list_name(field) == name)
        return [text for values in sent for value in values for text in _texts(value)]


def _texts(value: str) -> list[str]:
    """Those of a JSON array of texts; any other value is one."""
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


class ClientGone(Exception):
    """The client closed the connection in the middle of its upload."""


def received(request: HttpRequest) -> Upload:
    """The upload of this request. Raises UploadRefused."""
    outcome = getattr(request, "scope", {}).get(SCOPE_KEY)
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
        if not _is_upload(scope):
            await self._take_small(scope, receive, send)
            return
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        try:
            actor = await database_sync_to_async(admitted)(scope, headers)
        except AWAY as error:
            log.error("The database is away: %s", str(error).strip())
            scope[SCOPE_KEY], actor = UploadRefused("unavailable"), None
        if actor is None:
            await self._refuse(scope, receive, send)
            return
        caller.set(actor.tenant.id)
        await self._take(scope, receive, send, headers, actor)

    async def _take_small(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forms and JSON. One that is too large is answered by BodyLimitMiddleware."""
        body = SmallBody(scope, receive)
        await self.application(scope, body.receive, body.answering(send))
        await body.drain()

    async def _take(self, scope: Scope, receive: Receive, send: Send, headers: dict[str, str], actor: Actor) -> None:
        limit = min(actor.tenant.quota.upload_bytes, settings.UPLOAD_BYTES_LIMIT)
        upload = MultipartUpload(headers.get("content-type", ""), settings.INCOMING_DIR, limit)
        discard = sync_to_async(upload.discard, thread_sensitive=False)
        send = releasing(send, discard)
        try:
            scope[SCOPE_KEY] = await _stream(upload, headers, receive, limit)
            rest = receive if scope["path"].startswith(SHIELDED) else _no_news
            await self.application(scope, empty_body(rest), send)
        except UploadRefused as refused:
            scope[SCOPE_KEY] = refused
            await self._refuse(scope, receive, send)
        except ClientGone:
            log.info("A client of tenant %s went away in the middle of its upload.", actor.tenant.id)
        finally:
            await discard()

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Django answers without the body. A small rest is read, so that the client gets to see the answer."""
        rest = Rest(receive)
        await self.application(scope, empty_body(rest.disconnect), closing(send))
        await rest.drain()


class Rest:
    """What a client still sends of a body that nobody wants: read and dropped, up to DRAIN_BYTES."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._left = DRAIN_BYTES
        self._ended = False

    async def drain(self) -> None:
        while not self._ended and self._left > 0:
            message = await self._receive()
            self._left -= len(message.get("body", b""))
            self._ended = message["type"] == "http.disconnect" or not message.get("more_body")

    async def disconnect(self) -> Message:
        """Returns once the client is gone; never where it sends on and on."""
        await self.drain()
        if self._ended:
            return await self._receive()
        return await asyncio.Future()


class SmallBody:
    """A form or JSON. Where it passes its limit, or says that it will, Django hears that it has ended."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._scope, self._receive, self._rest = scope, receive, Rest(receive)
        self._limit = self._left = body_limit.limit_of(scope["path"])

    async def receive(self) -> Message:
        if self._is_over:
            return await self._rest.disconnect()
        message = await self._receive()
        will_be = body_limit.announced(self._scope) if message.get("more_body") else 0
        self._left -= len(message.get("body", b""))
        if self._is_over or will_be > self._limit:
            self._left = -1
            self._scope[body_limit.SCOPE_KEY] = True
            return {"type": "http.request", "body": b"", "more_body": False}
        return message

    def answering(self, send: Send) -> Send:
        """Closes the connection after the answer to a body that was not read to its end."""
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


def admitted(scope: Scope, headers: dict[str, str]) -> Actor | None:
    """Who may send a body; None for anybody else, to whom a view will say why."""
    try:
        actor = actor_of(headers, scope["method"], addresses.of_scope(scope))
        if actor is not None:
            request_budget.spend(scope, actor)
    except (KeyRefused, OtherTenant, TooManyRequests):
        return None
    return actor if actor is not None and actor.may("recordings.create") else None


def actor_of(headers: dict[str, str], method: str, address: str = "") -> Actor | None:
    """Who is uploading, by key or by session; None for nobody, to whom a view will say so.

    Raises KeyRefused, and OtherTenant where it is a page that was drawn for another tenant.
    """
    scheme, _, secret = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return api_keys.authenticate(secret.strip(), address)
    page = Page.of_headers(headers, method)
    return actor_of_session(session_key_of(headers.get("cookie", "")), address=address, page=page)


async def _stream(upload: MultipartUpload, headers: dict[str, str], receive: Receive, limit: int) -> Upload:
    """Raises UploadRefused and ClientGone."""
    began = time.monotonic()
    try:
        if int(headers.get("content-length") or 0) > limit + MultipartUpload.FIELDS_LIMIT:
            raise TooLarge
        feed = sync_to_async(upload.feed, thread_sensitive=False)
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            if body := message.get("body"):
                await feed(body)
            if not message.get("more_body"):
                break
        return _finished(upload, time.monotonic() - began)
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


def _is_upload(scope: Scope) -> bool:
    is_post = scope["type"] == "http" and scope["method"] == "POST"
    return is_post and bool(UPLOAD_PATHS.match(scope["path"])) and not _names_a_url(scope)


def _names_a_url(scope: Scope) -> bool:
    """Our own API also takes JSON with the recording's URL: a small body like any other."""
    kind = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
    is_json: bool = kind.partition(b";")[0].strip().lower() == b"application/json"
    return is_json and scope["path"] == "/api/v1/recordings"


async def _no_news() -> Message:
    """Django gives up listening when its view is done."""
    return await asyncio.Future()


def empty_body(receive: Receive) -> Receive:
    """A receive that ends the body at once; later calls wait for the real one, that is for a disconnect."""
    ended = False

    async def receive_nothing() -> Message:
        nonlocal ended
        if ended:
            return await receive()
        ended = True
        return {"type": "http.request", "body": b"", "more_body": False}

    return receive_nothing


def releasing(send: Send, release: Callable[[], Awaitable[None]]) -> Send:
    """Awaits `release` before the first byte of an answer: its client may ask for the same thing at once."""
    is_released = False

    async def release_and_send(message: Message) -> None:
        nonlocal is_released
        if not is_released:
            is_released = True
            await release()
        await send(message)

    return release_and_send


def closing(send: Send) -> Send:
    async def send_and_close(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", []), (b"connection", b"close")]
        await send(message)

    return send_and_close

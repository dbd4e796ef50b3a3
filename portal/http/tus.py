"""Writes the bytes of resumable uploads to disk, as they come, before Django sees their request.

The headers alone say who sends, and whether it may: version, offset, CSRF token, the file's lock. Then a thread is
borrowed for every write only; what has come counts, however the request ends. Django works at its end, while the lock
is still held, and the lock is released before the answer is sent: whoever has read it may send the next chunk.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from uuid import UUID

from asgiref.sync import sync_to_async
from django.core.exceptions import DisallowedHost, PermissionDenied
from django.http import Http404, HttpRequest
from django.utils.translation import gettext as _

from portal.http import authentication, tus_headers
from portal.http.asgi import (
    Application,
    Receive,
    Scope,
    Send,
    answer_unread,
    before_answer,
    empty_body,
    headers_of,
    scope_of,
)
from portal.http.outage import AWAY
from portal.http.routes import Body, route_of
from portal.http.thread_pools import in_thread, thread_user
from portal.http.uploads import RECHECK_SECONDS, ClientDisconnected, UploadRefused, admitted
from tenants import scope as tenant_scope
from tenants.access import Actor
from transcription.errors import InvalidOption, Refused
from transcription.intake import idempotency
from transcription.models import Recording
from transcription.uploads import access, creation
from transcription.uploads.creation import Plan
from transcription.uploads.files import LockedFile, TooMuch
from transcription.uploads.models import Upload

log = logging.getLogger(__name__)
COLLECTION = "/api/v1/uploads"
SCOPE_KEY = "portal.chunk"
SILENCE_SECONDS = 30.0
Refusal = Refused | InvalidOption | PermissionDenied | Http404 | UploadRefused


@dataclass(frozen=True)
class Chunk:
    """What a request has brought of an upload; its file stays locked until the request is answered."""

    upload: Upload
    slot: LockedFile

    async def release(self) -> None:
        self.slot.close()


class ChunkRefused(Exception):
    """`why` the bytes, or the rest of them, were not taken; `offset` is where to go on, if that is known."""

    def __init__(self, why: Refusal, offset: int | None = None) -> None:
        super().__init__(str(why))
        self.why, self.offset = why, offset


def chunk_of(request: HttpRequest) -> Chunk:
    """Returns what was received for this request. Raises ChunkRefused."""
    outcome = scope_of(request).get(SCOPE_KEY)
    if isinstance(outcome, Chunk):
        return outcome
    if isinstance(outcome, ChunkRefused):
        raise outcome
    raise ChunkRefused(UploadRefused("malformed", "No bytes were received."))


class TusMiddleware:
    """Hands Django a request without a body, and the chunk in its scope."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if route_of(scope).body is not Body.CHUNK:
            await self.application(scope, receive, send)
            return
        try:
            chunk = await in_thread(_begin)(scope)
        except ChunkRefused as refused:
            scope[SCOPE_KEY], chunk = refused, None
        if chunk is None:
            await answer_unread(self.application, scope, receive, send)
            return
        thread_user.set(chunk.upload.tenant_id)
        try:
            await self._take(chunk, scope, receive, send)
        finally:
            chunk.slot.close()

    async def _take(self, chunk: Chunk, scope: Scope, receive: Receive, send: Send) -> None:
        begin = time.monotonic()
        try:
            await _write(chunk.slot, receive)
        except ChunkRefused as refused:
            await chunk.release()
            scope[SCOPE_KEY] = refused
            await answer_unread(self.application, scope, receive, send)
        except ClientDisconnected:
            log.info("The client of upload %s disconnected at byte %d.", chunk.upload.id, chunk.slot.size)
        else:
            scope[SCOPE_KEY] = chunk
            if time.monotonic() - begin > RECHECK_SECONDS:
                authentication.forget(scope)
            await self.application(scope, empty_body(receive), before_answer(send, chunk.release))


async def _write(slot: LockedFile, receive: Receive) -> None:
    """Writes what comes until the body ends. Raises ChunkRefused and ClientDisconnected; what came before is kept."""
    write, sync = (sync_to_async(step, thread_sensitive=False) for step in (slot.write, slot.sync))
    try:
        while True:
            async with asyncio.timeout(SILENCE_SECONDS):
                message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnected
            if body := message.get("body"):
                await write(body)
            if not message.get("more_body"):
                break
        await sync()
    except TooMuch:
        await sync()
        raise ChunkRefused(_too_much(slot.length), slot.size) from None
    except TimeoutError:
        await sync()
        silent = Refused("silence", f"No byte came for {SILENCE_SECONDS:.0f} s. Go on at the offset.")
        raise ChunkRefused(silent, slot.size) from None
    except OSError as error:
        log.error("A chunk of upload %s could not be written: %s", slot.upload_id, error)
        raise ChunkRefused(UploadRefused("no_room")) from error


def _begin(scope: Scope) -> Chunk | None:
    """Returns the locked file that the bytes go to; None for nobody, whom a view tells so. Raises ChunkRefused."""
    try:
        with authentication.request_before_django(scope) as request:
            actor = admitted(scope)
            if actor is None:
                return None
            authentication.check_csrf(request, actor)
            with tenant_scope.bound(actor.tenant.id):
                return _open(actor, scope) if scope["path"] == COLLECTION else _continue(actor, scope)
    except (Refused, InvalidOption, PermissionDenied, Http404) as error:
        raise ChunkRefused(error) from error
    except DisallowedHost as error:
        raise ChunkRefused(UploadRefused("malformed", str(error))) from error
    except AWAY as error:
        raise ChunkRefused(UploadRefused("unavailable")) from error


def _open(actor: Actor, scope: Scope) -> Chunk:
    """Begins an upload whose first bytes come with the request that creates it."""
    headers = headers_of(scope)
    tus_headers.check_version(headers)
    tus_headers.check_extensions(headers)
    plan = plan_of(actor, headers)
    _check_announced(headers, plan.length, 0)
    row = creation.open_on_disk(actor, plan)
    return Chunk(row, access.locked(row))


def _continue(actor: Actor, scope: Scope) -> Chunk:
    """Goes on with an upload at the offset that the request says, which must be its own."""
    headers = headers_of(scope)
    tus_headers.check_version(headers)
    tus_headers.check_extensions(headers)
    tus_headers.check_content_type(headers)
    offset = tus_headers.number(headers, "Upload-Offset")
    upload_id = UUID(scope["path"].removeprefix(f"{COLLECTION}/"))
    row = access.upload(actor, upload_id, Upload.Way.TUS)
    slot = access.locked(row)
    try:
        if offset != slot.size:
            slot.sync()
            conflict = Refused("wrong_offset", _("The upload goes on at byte %(n)d.") % {"n": slot.size})
            raise ChunkRefused(conflict, slot.size)
        _check_announced(headers, slot.length, slot.size)
    except ChunkRefused:
        slot.close()
        raise
    return Chunk(row, slot)


def _check_announced(headers: dict[str, str], length: int, offset: int) -> None:
    """Raises ChunkRefused where more is announced than is missing."""
    announced = headers.get("content-length", "")
    if tus_headers.NUMBER.fullmatch(announced) and int(announced) > length - offset:
        raise ChunkRefused(_too_much(length), offset)


def plan_of(actor: Actor, headers: tus_headers.Headers) -> Plan:
    """Returns what a creating request says that it will send. Raises Refused and InvalidOption."""
    raw = headers.get("upload-metadata", "")
    fields = tus_headers.metadata(raw)
    return Plan(
        name=fields.get("filename") or fields.get("name", ""),
        length=tus_headers.length(headers),
        options=fields,
        source=source_of(actor, fields.get("source", "")),
        metadata=raw,
        idempotency_key=idempotency.checked_key(headers.get("idempotency-key")),
    )


def source_of(actor: Actor, asked: str) -> str:
    if actor.key is not None:
        return Recording.Source.API
    microphone = Recording.Source.MICROPHONE
    return microphone if asked == microphone else Recording.Source.UPLOAD


def _too_much(length: int) -> Refused:
    return Refused("too_much", _("More came than the %(n)d bytes that were announced.") % {"n": length})

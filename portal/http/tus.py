"""The bytes of resumable uploads go to disk piece by piece before Django sees their request.

Who sends, and whether it may, is known from the headers alone: version, offset, CSRF token, the file's lock. Then
every piece is written as it comes, by a thread that is lent for that piece only; what has come counts, however the
request ends. Django works at its end, while the lock is still held, and the lock goes before the answer does: whoever
has read the answer may send the next piece.
"""

from __future__ import annotations

import asyncio
import logging
import re
from dataclasses import dataclass
from io import BytesIO
from uuid import UUID

from asgiref.sync import sync_to_async
from django.core.exceptions import DisallowedHost, PermissionDenied
from django.core.handlers.asgi import ASGIRequest
from django.http import Http404, HttpRequest
from django.utils import translation
from django.utils.translation import gettext as _

from portal.api import callers, tus_headers
from portal.http.outage import AWAY
from portal.http.thread_pools import caller, shared
from portal.http.uploads import (
    Application,
    ClientGone,
    Receive,
    Rest,
    Scope,
    Send,
    UploadRefused,
    admitted,
    closing,
    empty_body,
    releasing,
)
from tenants import scope as tenant_scope
from tenants.access import Actor
from transcription.errors import InvalidOption, Refused
from transcription.intake import idempotency
from transcription.models import Recording
from transcription.uploads import access, creation
from transcription.uploads.creation import Plan
from transcription.uploads.files import Slot, TooMuch
from transcription.uploads.models import Upload

log = logging.getLogger(__name__)
COLLECTION = "/api/v1/uploads"
ONE = re.compile(rf"^{COLLECTION}/([0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}})$")
SCOPE_KEY = "portal.piece"
OVERRIDING = {"HEAD", "PATCH", "DELETE"}
SILENCE_SECONDS = 30.0
Refusal = Refused | InvalidOption | PermissionDenied | Http404 | UploadRefused


@dataclass(frozen=True)
class Piece:
    """What a request has brought of an upload, whose file stays locked until the request is answered."""

    upload: Upload
    slot: Slot

    async def release(self) -> None:
        self.slot.close()


class PieceRefused(Exception):
    """`why` the bytes, or the rest of them, were not taken; `offset` is where to go on, if that is known."""

    def __init__(self, why: Refusal, offset: int | None = None) -> None:
        super().__init__(str(why))
        self.why, self.offset = why, offset


def piece_of(request: HttpRequest) -> Piece:
    """What was received for this request. Raises PieceRefused."""
    outcome = getattr(request, "scope", {}).get(SCOPE_KEY)
    if isinstance(outcome, Piece):
        return outcome
    if isinstance(outcome, PieceRefused):
        raise outcome
    raise PieceRefused(UploadRefused("malformed", "No bytes were received."))


class ResumableMiddleware:
    """Hands Django a request without a body, and the piece in its scope."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _headers(scope) if _is_ours(scope) else {}
        scope = _overridden(scope, headers)
        if not _brings_bytes(scope, headers):
            await self.application(scope, receive, send)
            return
        try:
            piece = await shared(_begun)(scope, headers)
        except PieceRefused as refused:
            scope[SCOPE_KEY] = refused
            await self._refuse(scope, receive, send)
            return
        if piece is None:
            await self._refuse(scope, receive, send)
            return
        caller.set(piece.upload.tenant_id)
        try:
            await self._take(piece, scope, receive, send)
        finally:
            piece.slot.close()

    async def _take(self, piece: Piece, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await _written(piece.slot, receive)
        except PieceRefused as refused:
            await piece.release()
            scope[SCOPE_KEY] = refused
            await self._refuse(scope, receive, send)
        except ClientGone:
            log.info("The client of upload %s went away at byte %d.", piece.upload.id, piece.slot.size)
        else:
            scope[SCOPE_KEY] = piece
            await self.application(scope, empty_body(receive), releasing(send, piece.release))

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Django answers without the body. A small rest is read, so that the client gets to see the answer."""
        rest = Rest(receive)
        await self.application(scope, empty_body(rest.disconnect), closing(send))
        await rest.drain()


async def _written(slot: Slot, receive: Receive) -> None:
    """Writes what comes until the request ends. Raises PieceRefused and ClientGone; what came before is kept."""
    write, sync = (sync_to_async(step, thread_sensitive=False) for step in (slot.write, slot.sync))
    try:
        while True:
            async with asyncio.timeout(SILENCE_SECONDS):
                message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            if body := message.get("body"):
                await write(body)
            if not message.get("more_body"):
                break
        await sync()
    except TooMuch:
        await sync()
        raise PieceRefused(_too_much(slot.length), slot.size) from None
    except TimeoutError:
        await sync()
        silent = Refused("silence", f"No byte came for {SILENCE_SECONDS:.0f} s. Go on at the offset.")
        raise PieceRefused(silent, slot.size) from None
    except OSError as error:
        log.error("A piece of upload %s could not be written: %s", slot.upload_id, error)
        raise PieceRefused(UploadRefused("no_room")) from error


def _begun(scope: Scope, headers: dict[str, str]) -> Piece | None:
    """The locked file that the bytes go to; None for nobody, to whom a view will say so. Raises PieceRefused."""
    request = ASGIRequest(dict(scope), BytesIO())
    with translation.override(translation.get_language_from_request(request)):
        try:
            actor = admitted(scope, headers)
            if actor is None:
                return None
            callers.check_csrf(request, actor)
            with tenant_scope.bound(actor.tenant.id):
                return _opened(actor, headers) if scope["path"] == COLLECTION else _continued(actor, scope, headers)
        except (Refused, InvalidOption, PermissionDenied, Http404) as error:
            raise PieceRefused(error) from error
        except DisallowedHost as error:
            raise PieceRefused(UploadRefused("malformed", str(error))) from error
        except AWAY as error:
            raise PieceRefused(UploadRefused("unavailable")) from error


def _opened(actor: Actor, headers: dict[str, str]) -> Piece:
    """A new upload whose first bytes come with the request that creates it."""
    tus_headers.check_version(headers)
    tus_headers.check_extensions(headers)
    plan = plan_of(actor, headers)
    _check_announced(headers, plan.length, 0)
    row = creation.open_on_disk(actor, plan)
    return Piece(row, access.locked(row))


def _continued(actor: Actor, scope: Scope, headers: dict[str, str]) -> Piece:
    tus_headers.check_version(headers)
    tus_headers.check_extensions(headers)
    tus_headers.check_content_type(headers)
    offset = tus_headers.number(headers, "Upload-Offset")
    found = ONE.match(scope["path"])
    assert found is not None
    row = access.upload(actor, UUID(found[1]), Upload.Way.TUS)
    slot = access.locked(row)
    try:
        if offset != slot.size:
            slot.sync()
            conflict = Refused("wrong_offset", _("The upload goes on at byte %(n)d.") % {"n": slot.size})
            raise PieceRefused(conflict, slot.size)
        _check_announced(headers, slot.length, slot.size)
    except PieceRefused:
        slot.close()
        raise
    return Piece(row, slot)


def _check_announced(headers: dict[str, str], length: int, offset: int) -> None:
    """Raises PieceRefused where more is announced than is missing."""
    announced = headers.get("content-length", "")
    if tus_headers.NUMBER.fullmatch(announced) and int(announced) > length - offset:
        raise PieceRefused(_too_much(length), offset)


def plan_of(actor: Actor, headers: tus_headers.Headers) -> Plan:
    """What a creating request says that it will send. Raises Refused and InvalidOption."""
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


def _is_ours(scope: Scope) -> bool:
    return scope["type"] == "http" and (scope["path"] == COLLECTION or bool(ONE.match(scope["path"])))


def _brings_bytes(scope: Scope, headers: dict[str, str]) -> bool:
    if not headers:
        return False
    if scope["path"] != COLLECTION:
        return bool(scope["method"] == "PATCH")
    return scope["method"] == "POST" and tus_headers.is_piece(headers)


def _overridden(scope: Scope, headers: dict[str, str]) -> Scope:
    """For clients whose environment knows no PATCH or DELETE: `X-HTTP-Method-Override`, of a POST only."""
    wanted = headers.get("x-http-method-override", "").strip().upper()
    if wanted in OVERRIDING and scope["method"] == "POST":
        scope["method"] = wanted
    return scope


def _headers(scope: Scope) -> dict[str, str]:
    return {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}

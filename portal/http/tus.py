"""Writes the bytes of resumable uploads to disk, as they come, before Django sees their request.

The headers alone say who sends, and whether it may: version, offset, CSRF token, the file's lock. Then a thread is
borrowed for every write only; what has come counts, however the request ends. Django works at its end, while the lock
is still held, and the lock is released before the answer is sent: whoever has read it may send the next chunk.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from uuid import UUID

from asgiref.sync import sync_to_async
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest
from django.utils.translation import gettext as _

from portal.http import authentication, tus_headers
from portal.http.asgi import Receive, Scope, headers_of
from portal.http.receiving import UploadRefused, body_of, outcome_of
from tenants import scope as tenant_scope
from tenants.access import Actor
from transcription.errors import Refused
from transcription.folders.folders import ADD
from transcription.intake import idempotency
from transcription.models import Recording
from transcription.uploads import access, creation
from transcription.uploads.creation import Plan
from transcription.uploads.files import LockedFile, TooMuch
from transcription.uploads.models import Upload

log = logging.getLogger(__name__)
COLLECTION = "/api/v1/uploads"
SILENCE_SECONDS = 30.0


@dataclass(frozen=True)
class Chunk:
    """What a request has brought of an upload; its file stays locked until the request is answered."""

    upload: Upload
    slot: LockedFile

    @property
    def tenant_id(self) -> UUID:
        return self.upload.tenant_id

    async def take(self, receive: Receive) -> Chunk:
        """Writes what comes until the body ends. What came before it is refused is kept."""
        slot = self.slot
        write, sync = (sync_to_async(step, thread_sensitive=False) for step in (slot.write, slot.sync))
        try:
            async for part in body_of(receive, SILENCE_SECONDS):
                await write(part)
            await sync()
        except TooMuch:
            await sync()
            raise _too_much(slot.length, slot.size) from None
        except TimeoutError:
            await sync()
            message = f"No byte came for {SILENCE_SECONDS:.0f} s. Go on at the offset."
            raise ChunkRefused("silence", message, slot.size) from None
        except OSError as error:
            log.error("A chunk of upload %s could not be written: %s", slot.upload_id, error)
            raise UploadRefused("no_room") from error
        return self

    async def release(self) -> None:
        self.slot.close()


class ChunkRefused(Refused):
    """The bytes, or the rest of them, were not taken; `offset` is where to go on."""

    def __init__(self, code: str, message: str, offset: int) -> None:
        super().__init__(code, message)
        self.offset = offset


class AlreadyAccepted(ChunkRefused):
    """All of the upload has come and was accepted; `is_at_end`: nothing more was sent, from its end on."""

    def __init__(self, row: Upload, *, is_at_end: bool) -> None:
        super().__init__("wrong_offset", _("All of this upload has come, and was accepted."), row.length)
        self.upload = row
        self.is_at_end = is_at_end


def chunk_of(request: HttpRequest) -> Chunk:
    """Returns what was received for this request. Raises what it was refused with."""
    return outcome_of(request, Chunk, "No bytes were received.")


def open_chunk(scope: Scope, actor: Actor, request: HttpRequest) -> Chunk:
    """Returns the locked file of the upload that the request begins or goes on with. Raises REFUSALS."""
    try:
        authentication.check_csrf(request, actor)
    except DisallowedHost as error:
        raise UploadRefused("malformed", str(error)) from error
    headers = headers_of(scope)
    tus_headers.check_version(headers)
    tus_headers.check_extensions(headers)
    with tenant_scope.bound(actor.tenant.id):
        return _begin(actor, headers) if scope["path"] == COLLECTION else _continue(actor, scope["path"], headers)


def _begin(actor: Actor, headers: dict[str, str]) -> Chunk:
    """Begins an upload whose first bytes come with the request that creates it."""
    plan = plan_of(actor, headers)
    _check_announced(headers, plan.length, 0)
    row = creation.open_on_disk(actor, plan)
    return Chunk(row, access.locked(row))


def _continue(actor: Actor, path: str, headers: dict[str, str]) -> Chunk:
    """Goes on with an upload at the offset that the request says, which must be its own."""
    tus_headers.check_content_type(headers)
    offset = tus_headers.number(headers, "Upload-Offset")
    row = access.upload(actor, UUID(path.removeprefix(f"{COLLECTION}/")), Upload.Way.TUS, ADD)
    try:
        slot = access.locked(row)
    except Refused:
        row.refresh_from_db()
        if row.state != Upload.State.ACCEPTED:
            raise
        is_at_end = offset == row.length and headers.get("content-length") == "0"
        raise AlreadyAccepted(row, is_at_end=is_at_end) from None
    try:
        if offset != slot.size:
            slot.sync()
            raise ChunkRefused("wrong_offset", _("The upload goes on at byte %(n)d.") % {"n": slot.size}, slot.size)
        _check_announced(headers, slot.length, slot.size)
    except ChunkRefused:
        slot.close()
        raise
    return Chunk(row, slot)


def _check_announced(headers: dict[str, str], length: int, offset: int) -> None:
    """Raises ChunkRefused where more is announced than is missing."""
    announced = headers.get("content-length", "")
    if tus_headers.NUMBER.fullmatch(announced) and int(announced) > length - offset:
        raise _too_much(length, offset)


def plan_of(actor: Actor, headers: tus_headers.Headers) -> Plan:
    """Returns what a creating request says that it will send. Raises Refused and InvalidOption."""
    raw = headers.get("upload-metadata", "")
    fields = tus_headers.metadata(raw)
    return Plan(
        name=fields.get("filename") or fields.get("name", ""),
        length=tus_headers.length(headers),
        options=fields,
        source=source_of(actor, fields.get("source", "")),
        folder=fields.get("folder", ""),
        metadata=raw,
        idempotency_key=idempotency.checked_key(headers.get("idempotency-key")),
    )


def source_of(actor: Actor, asked: str) -> str:
    if actor.key is not None:
        return Recording.Source.API
    microphone = Recording.Source.MICROPHONE
    return microphone if asked == microphone else Recording.Source.UPLOAD


def _too_much(length: int, offset: int) -> ChunkRefused:
    message = _("More came than the %(n)d bytes that were announced.")
    return ChunkRefused("too_much", message % {"n": length}, offset)

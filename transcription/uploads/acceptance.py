"""Has intake accept or refuse complete uploads, each once.

One conditional UPDATE (arrived → accepted) in the transaction in which intake creates the recording decides. If the
process is killed before, the bytes are still there and the sweeper tries again; if it is killed after, only the bytes
are left, which the sweeper deletes. Faults of the server are retried without end, except for one: a file whose reader
is killed again and again most likely needs more memory than there is, and is refused.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from django.db.models import F, QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from tenants.access import PERMISSIONS, Actor, support_actor
from tenants.models import Member
from transcription import errors, leases, request_id
from transcription.connections import lend_connection
from transcription.errors import InvalidOption, Refused
from transcription.intake import accept
from transcription.intake.request import CallContext, ReceivedFile
from transcription.leases import LostClaim, Renewal
from transcription.media import storage
from transcription.models import Recording, Transcription, Way
from transcription.options.options import TranscriptionOptions
from transcription.uploads import bucket, files
from transcription.uploads.files import Gone, Locked, LockedFile
from transcription.uploads.models import Upload

log = logging.getLogger(__name__)
ENDPOINT = "/api/v1/uploads"
READ_BYTES = 1024 * 1024
LEASE = timedelta(minutes=5)
RENEW_EVERY_SECONDS = 60.0
BACKOFF = leases.Backoff((5, 10, 20, 40, 80, 160, 320, 600))
MOST_INTERRUPTIONS = 10
"""Half an hour of tries, as a recording by URL has: what else takes the memory then may be over."""


@dataclass(frozen=True)
class _File:
    """A complete upload on this machine's disk."""

    file_name: str
    path: Path
    size: int
    sha256: str
    seconds: float


@dataclass(frozen=True)
class _StoredFile(_File):
    """A copy on this machine's disk of an object in S3."""

    storage_key: str


def arrived(row: Upload) -> bool:
    """Marks an upload whose last byte has come. Returns False if it was marked before."""
    rows = Upload.objects.filter(id=row.id, state=Upload.State.OPEN)
    row.request_id = request_id.current() or row.request_id
    arrival = {"state": Upload.State.ARRIVED, "expires_at": files.fresh_expiry(), "request_id": row.request_id}
    return rows.update(**arrival) == 1


def settle(row: Upload) -> bool:
    """Accepts or refuses a complete upload. Returns False if another process does, or if it failed."""
    with request_id.bound(row.request_id), _faults_noted(row):
        if row.is_on_disk:
            _settle_file(row)
        else:
            _settle_object(row)
    return Upload.objects.filter(id=row.id, state__in=(Upload.State.ACCEPTED, Upload.State.REFUSED)).exists()


def settle_under_lock(row: Upload, file: LockedFile) -> None:
    """Accepts or refuses a file on this server whose lock the caller holds."""
    arrived(row)
    with file.held(), _faults_noted(row), files.lent(row.id) as path:
        lend_connection()
        _decide(row, _File(row.name, path, path.stat().st_size, _sha256(path), _age(row)))
        file.drop()


def _settle_file(row: Upload) -> None:
    try:
        file = LockedFile(row.id, row.length)
    except Locked:
        return
    except Gone:
        _missing(row)
        return
    try:
        settle_under_lock(row, file)
    finally:
        file.close()


def _settle_object(row: Upload) -> None:
    """Accepts or refuses an object in S3, under a lease that is renewed as the download goes on."""
    if not _arrived(row).filter(not_before__lte=Now()).update(not_before=Now() + LEASE):
        return
    lend_connection()
    if bucket.object_bytes(row.object_key) is None:
        _lost(row)
        return
    renewal = Renewal(lambda: _arrived(row).update(not_before=Now() + LEASE), RENEW_EVERY_SECONDS)
    with storage.local_copy(row.object_key, renewal) as path:
        digest = _sha256(path, renewal)
        _decide(row, _StoredFile(row.name, path, path.stat().st_size, digest, _age(row), row.object_key))
    bucket.abort(row.object_key)


@contextmanager
def _faults_noted(row: Upload) -> Iterator[None]:
    """Logs exceptions, after which the upload is tried again: in 5 s, then after twice as long each time."""
    try:
        yield
    except LostClaim:
        pass
    except Exception as error:
        trace = None if isinstance(error, Refused) else error
        log.error("Upload %s of tenant %s could not be accepted: %s", row.id, row.tenant_id, error, exc_info=trace)
        pause = timedelta(seconds=BACKOFF.after(row.tries + 1))
        _arrived(row).update(tries=F("tries") + 1, not_before=Now() + pause)


def _decide(row: Upload, file: ReceivedFile) -> None:
    """Raises LostClaim, and faults of the server."""
    call = CallContext(endpoint=ENDPOINT, key=row.idempotency_key, in_transaction=partial(_accepted, row))
    way = Way.TUS if row.source == Recording.Source.API else Way.PORTAL
    try:
        options = TranscriptionOptions.from_fields(row.options)
        accept.accept(_actor(row), file, options, row.source, call, row.folder, way)
    except Refused as refused:
        final = _too_complex() if _kills_its_readers(row, refused) else refused
        if final.may_succeed_later:
            raise
        _refused(row, {"code": final.code, "detail": final.message} | final.parameters)
    except InvalidOption as invalid:
        _refused(row, {"code": invalid.code, "detail": str(invalid), "param": invalid.param})


def _kills_its_readers(row: Upload, refused: Refused) -> bool:
    """Counts an interruption. Returns whether it was one too many."""
    if refused.code != "interrupted":
        return False
    Upload.objects.filter(id=row.id).update(interruptions=F("interruptions") + 1)
    return Upload.objects.filter(id=row.id, interruptions__gte=MOST_INTERRUPTIONS).exists()


def _too_complex() -> Refused:
    return Refused("too_complex", errors.reason_for_people("too_complex"))


def _accepted(row: Upload, transcription: Transcription) -> None:
    """Marks an upload as accepted, in the transaction in which intake commits. Raises LostClaim."""
    _settled(
        row,
        state=Upload.State.ACCEPTED,
        recording_id=transcription.recording_id,
        transcription_id=transcription.id,
    )


def _refused(row: Upload, problem: dict[str, Any]) -> None:
    log.info("Upload %s of tenant %s was refused: %s", row.id, row.tenant_id, problem["code"])
    _settled(row, state=Upload.State.REFUSED, problem=problem)


def _settled(row: Upload, **changes: Any) -> None:
    leases.write(_arrived(row), **changes, expires_at=files.fresh_expiry())


def _missing(row: Upload) -> None:
    """Refuses an upload whose file is missing for a day; until then another host may have it."""
    log.error("The file of upload %s is not in this host's UPLOADS_DIR", row.id)
    if row.expires_at < timezone.now():
        _lost(row)
        return
    _arrived(row).update(not_before=Now() + timedelta(seconds=BACKOFF.delays[-1]))


def _arrived(row: Upload) -> QuerySet[Upload]:
    """Selects the upload as long as nobody has settled or deleted it."""
    return Upload.objects.filter(id=row.id, state=Upload.State.ARRIVED)


def _lost(row: Upload) -> None:
    detail = _("The server lost the file. Send it again, and tell your administrator.")
    _refused(row, {"code": "upload_lost", "detail": detail})


def _actor(row: Upload) -> Actor:
    """Returns the actor that opened the upload; its permission was checked as the bytes came."""
    if row.visit is not None:
        actor = support_actor(row.visit)
        return replace(actor, permissions=actor.permissions | {"recordings.create"})
    member = Member.objects.filter(tenant=row.tenant_id, user=row.user_id).select_related("user").first()
    allowed = PERMISSIONS[member.role] if member and row.user_id else frozenset()
    return Actor(row.tenant, allowed | {"recordings.create"}, member if row.user_id else None, row.api_key)


def _age(row: Upload) -> float:
    """Returns the seconds since the upload was opened, with the pauses that its sender made."""
    return max(0.0, (timezone.now() - row.created_at).total_seconds())


def _sha256(path: Path, on_progress: Callable[[], None] = lambda: None) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(READ_BYTES):
            digest.update(chunk)
            on_progress()
    return digest.hexdigest()

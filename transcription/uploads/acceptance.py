"""A whole upload becomes a recording, or is refused, by the same intake as any other file: once.

It is decided by one guarded UPDATE (arrived → accepted) in the transaction in which intake makes the recording.
Killed before that, nothing has happened, the bytes are still there, and the sweeper tries again; killed after it,
only the bytes are left over, which the sweeper drops. A fault of ours is tried again for as long as it takes, but
for one: a file whose reader is killed again and again most likely takes more memory than there is, and is refused.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from django.db.models import F, QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from tenants.access import Actor
from tenants.models import Member
from transcription import errors, leases
from transcription.connections import lend_connection
from transcription.errors import InvalidOption, Refused
from transcription.intake import accept
from transcription.intake.request import CallContext, ReceivedFile
from transcription.leases import LostClaim, Renewal
from transcription.media import storage
from transcription.models import Transcription
from transcription.uploads import bucket, creation, files
from transcription.uploads.files import Gone, Locked, Slot
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
    """A whole upload on this machine's disk."""

    file_name: str
    path: Path
    size: int
    sha256: str


@dataclass(frozen=True)
class _StoredFile(_File):
    """A copy on this machine's disk of what S3 has."""

    storage_key: str


def arrived(row: Upload) -> bool:
    """Notes that the last byte has come; False where it was noted before."""
    rows = Upload.objects.filter(id=row.id, state=Upload.State.OPEN)
    return rows.update(state=Upload.State.ARRIVED, expires_at=files.fresh_expiry()) == 1


def settle(row: Upload) -> bool:
    """Accepts or refuses a whole upload, wherever its bytes lie; False where somebody else is at it, or it failed."""
    with _faults_noted(row):
        if row.is_on_disk:
            _settle_file(row)
        else:
            _settle_object(row)
    return Upload.objects.filter(id=row.id, state__in=(Upload.State.ACCEPTED, Upload.State.REFUSED)).exists()


def settle_under_lock(row: Upload, slot: Slot) -> None:
    """The same for a file on this server whose lock the caller holds."""
    arrived(row)
    with slot.held(), _faults_noted(row), files.lent(row.id) as path:
        lend_connection()
        _decide(row, _File(row.name, path, path.stat().st_size, _sha256(path)))
        slot.drop()


def _settle_file(row: Upload) -> None:
    try:
        slot = Slot(row.id, row.length)
    except Locked:
        return
    except Gone:
        _missing(row)
        return
    try:
        settle_under_lock(row, slot)
    finally:
        slot.close()


def _settle_object(row: Upload) -> None:
    """One at a time by a lease, which the progress of the download keeps up."""
    if not _arrived(row).filter(not_before__lte=Now()).update(not_before=Now() + LEASE):
        return
    lend_connection()
    if bucket.object_bytes(row.object_key) is None:
        _lost(row)
        return
    renewal = Renewal(lambda: _arrived(row).update(not_before=Now() + LEASE), RENEW_EVERY_SECONDS)
    with storage.local_copy(row.object_key, renewal) as path:
        digest = _sha256(path, renewal)
        _decide(row, _StoredFile(row.name, path, path.stat().st_size, digest, row.object_key))
    bucket.abort(row.object_key)


@contextmanager
def _faults_noted(row: Upload) -> Iterator[None]:
    """An exception is logged, and its upload is tried again after 5 s, then after twice as long each time."""
    try:
        yield
    except LostClaim:
        pass
    except Exception as error:
        trace = None if isinstance(error, Refused) else error
        log.error("Upload %s of tenant %s could not be taken in: %s", row.id, row.tenant_id, error, exc_info=trace)
        pause = timedelta(seconds=BACKOFF.after(row.tries + 1))
        _arrived(row).update(tries=F("tries") + 1, not_before=Now() + pause)


def _decide(row: Upload, file: ReceivedFile) -> None:
    """Raises LostClaim, and whatever goes wrong with us."""
    call = CallContext(endpoint=ENDPOINT, key=row.idempotency_key, in_transaction=partial(_accepted, row))
    try:
        accept.accept(_actor(row), file, creation.options_of(row.options), row.source, call)
    except Refused as refused:
        final = _too_complex() if _kills_its_readers(row, refused) else refused
        if final.may_succeed_later:
            raise
        _refused(row, {"code": final.code, "detail": final.message} | final.parameters)
    except InvalidOption as invalid:
        _refused(row, {"code": invalid.code, "detail": str(invalid), "param": invalid.param})


def _kills_its_readers(row: Upload, refused: Refused) -> bool:
    """Whether this was one interruption too many. Counts it."""
    if refused.code != "interrupted":
        return False
    Upload.objects.filter(id=row.id).update(interruptions=F("interruptions") + 1)
    return Upload.objects.filter(id=row.id, interruptions__gte=MOST_INTERRUPTIONS).exists()


def _too_complex() -> Refused:
    return Refused("too_complex", errors.reason_for_people("too_complex"))


def _accepted(row: Upload, transcription: Transcription) -> None:
    """In the transaction in which intake decides. Raises LostClaim."""
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
    """Its file is not here. Perhaps this host only can't see it: a day after its last byte nobody has it."""
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
    """Whoever opened it: what they may do was asked when the bytes came."""
    member = Member.objects.filter(tenant=row.tenant_id, user=row.user_id).select_related("user").first()
    return Actor(row.tenant, frozenset({"recordings.create"}), member if row.user_id else None, row.api_key)


def _sha256(path: Path, on_progress: Callable[[], None] = lambda: None) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(READ_BYTES):
            digest.update(chunk)
            on_progress()
    return digest.hexdigest()

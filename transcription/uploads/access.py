"""Access to a tenant's uploads: functions take an actor; other tenants' uploads raise Http404."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from tenants.access import Actor
from tenants.shortcuts import first_or_404
from transcription.errors import Refused
from transcription.folders.folders import ADD
from transcription.folders.visibility import VIEW, among, seen_arriving
from transcription.uploads import acceptance, bucket, files
from transcription.uploads.bucket import Part
from transcription.uploads.files import Gone, Locked, LockedFile
from transcription.uploads.models import Upload

URLS_AT_ONCE = 32


def uploads(actor: Actor) -> QuerySet[Upload]:
    """Selects the tenant's uploads, the newest first, but for those to folders that the actor doesn't see.

    Raises PermissionDenied.
    """
    actor.require("recordings.create")
    rows = Upload.objects.filter(seen_arriving(actor), tenant=actor.tenant)
    return rows.order_by("-created_at", "-id")


def upload(actor: Actor, upload_id: UUID, way: str = "", permission: str = VIEW) -> Upload:
    """Returns an upload of the actor's tenant, of the given way or any.

    Raises Http404, and PermissionDenied where the actor may not do that in the folder that it goes to.
    """
    rows = uploads(actor).filter(id=upload_id).select_related("tenant__quota", "api_key", "folder")
    found = first_or_404(rows.filter(way=way) if way else rows, _("There is no such upload."))
    among(actor, found.folder).require(permission)
    return found


def offset(row: Upload) -> int:
    """Returns how many bytes are safely on this server's disk, and marks a complete upload as arrived.

    Raises Refused if nothing is left of it.
    """
    try:
        size = row.length if row.is_settled else files.offset(row.id)
    except Gone:
        row.refresh_from_db()  # it may have been accepted just now
        size = row.length
        if not row.is_settled:
            raise _gone() from None
    if row.state == Upload.State.REFUSED:
        raise _gone()
    if size >= row.length:
        acceptance.arrived(row)
    return size


def expiry(row: Upload) -> datetime | None:
    """Returns when an upload is deleted; None if nothing is left of it."""
    return files.expires_at(row.id) if row.is_on_disk and not row.is_settled else row.expires_at


def locked(row: Upload) -> LockedFile:
    """Locks the file of an upload for writing or deleting. Raises Refused if somebody else does, or it is gone."""
    if row.is_settled:
        raise _gone()
    try:
        return LockedFile(row.id, row.length)
    except Locked:
        message = _("Another request is sending this upload, or it is being checked. Ask for its offset, then go on.")
        raise Refused("upload_locked", message) from None
    except Gone:
        raise _gone() from None


def terminate(actor: Actor, upload_id: UUID, way: str) -> None:
    """Deletes an upload with its bytes; a recording made of it stays. Raises Http404 and Refused."""
    row = upload(actor, upload_id, way, ADD)
    if not row.is_on_disk:
        _abandon(row)
        return
    if row.is_settled or expiry(row) is None:
        row.delete()
        return
    file = locked(row)
    try:
        file.drop()
        row.delete()
    finally:
        file.close()


def missing_parts(row: Upload) -> tuple[list[Part], list[int]]:
    """Returns the parts that S3 has at their right size, and the numbers of those that are missing."""
    wanted = {number: part_size(row, number) for number in range(1, part_count(row) + 1)}
    there = [part for part in bucket.parts(row.object_key, row.multipart_id) if wanted.get(part.number) == part.size]
    return there, sorted(wanted.keys() - {part.number for part in there})


def part_count(row: Upload) -> int:
    return -(-row.length // row.part_bytes)


def part_size(row: Upload, number: int) -> int:
    """Returns the bytes of a part; all but the last have the same."""
    return min(row.part_bytes, row.length - (number - 1) * row.part_bytes)


def part_urls(row: Upload, wanted: dict[int, str]) -> dict[int, str]:
    """Returns presigned URLs by part number. `wanted` has each part's SHA-256 in base64, or "". Raises Refused."""
    if len(wanted) > URLS_AT_ONCE or any(not 1 <= number <= part_count(row) for number in wanted):
        message = _("Ask for at most %(n)d parts at once, each from 1 to %(last)d.")
        raise Refused("invalid_parts", message % {"n": URLS_AT_ONCE, "last": part_count(row)})
    open_rows = Upload.objects.filter(id=row.id, state=Upload.State.OPEN).exclude(multipart_id="")
    if not open_rows.update(expires_at=files.fresh_expiry()):
        raise Refused("not_open", _("This upload is not open: all its parts have come, or it is over."))
    return {
        number: bucket.part_url(row.object_key, row.multipart_id, number, part_size(row, number), sha256)
        for number, sha256 in wanted.items()
    }


def complete(row: Upload) -> None:
    """Joins the parts to one object, which the sweeper accepts. May be called again. Raises Refused."""
    if row.state != Upload.State.OPEN:
        return
    if not row.multipart_id:
        raise _gone()
    if bucket.object_bytes(row.object_key) is None:
        there, missing = missing_parts(row)
        if missing:
            message = _("%(n)d parts have not arrived as they were announced: send them, then complete again.")
            raise Refused("parts_missing", message % {"n": len(missing)}, missing=missing)
        try:
            bucket.complete(row.object_key, row.multipart_id, there)
        except FileNotFoundError:
            raise _gone() from None
    acceptance.arrived(row)
    row.refresh_from_db()


def _abandon(row: Upload) -> None:
    """Deletes the object before the row, without which nobody would know of it. Raises Refused."""
    if row.state == Upload.State.ARRIVED:
        raise Refused("upload_locked", _("The upload is being checked. Delete its recording afterwards."))
    if row.state == Upload.State.OPEN:
        bucket.abort(row.object_key)
    Upload.objects.filter(id=row.id).exclude(state=Upload.State.ARRIVED).delete()


def _gone() -> Refused:
    return Refused("upload_gone", _("Nothing is left of this upload. Begin a new one."))

"""Accepts and deletes what crashes and absent clients left of uploads. Any number of sweepers may run."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

from django.db import connections
from django.db.models import Min, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from tenants import scope
from transcription.library import retention
from transcription.lookout import Lookout
from transcription.media import storage
from transcription.uploads import acceptance, bucket, files
from transcription.uploads.files import Gone, Locked, LockedFile
from transcription.uploads.models import Upload

log = logging.getLogger(__name__)
AT_ONCE = 4
BATCH = 100
GONE_FOR_GOOD = timedelta(days=7)
SETTLED = (Upload.State.ACCEPTED, Upload.State.REFUSED)


def note_whole() -> int:
    """Marks complete files whose server was killed before it could. Returns how many."""
    with scope.across_tenants("the sweeper serves every tenant"):
        whole = [row for row in _open().only("id", "length") if files.size(row.id) >= row.length]
        return sum(acceptance.arrived(row) for row in whole)


def accept_whole() -> int:
    """Settles complete uploads, a tenant's one after the other. Returns how many."""
    tried: set[UUID] = set()
    count = 0
    while len(tried) < BATCH and (rows := _first_due_of_each_tenant(tried)):
        tried |= {row.id for row in rows}
        if len(rows) == 1:
            count += _settle(rows[0])
            continue
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="upload") as pool:
            count += sum(pool.map(_settle_in_thread, rows))
    return count


def _first_due_of_each_tenant(tried: set[UUID]) -> list[Upload]:
    """Returns the longest waiting upload of AT_ONCE tenants: others wait for one of a tenant's slow files at most."""
    with scope.across_tenants("the sweeper serves every tenant"):
        due = _whole().exclude(id__in=tried).select_related("tenant__quota", "api_key")
        tenants = due.order_by().values("tenant_id").annotate(first=Min("not_before")).order_by("first")
        firsts = (due.filter(tenant_id=row["tenant_id"]).order_by("not_before").first() for row in tenants[:AT_ONCE])
        return [row for row in firsts if row is not None]


def _open() -> QuerySet[Upload]:
    return Upload.objects.filter(state=Upload.State.OPEN, way=Upload.Way.TUS)


def _whole() -> QuerySet[Upload]:
    return Upload.objects.filter(state=Upload.State.ARRIVED, not_before__lte=Now(), tenant__is_active=True)


DUE = (Lookout(_open), Lookout(_whole))


def _settle(row: Upload) -> bool:
    with scope.bound(row.tenant_id):
        return acceptance.settle(row)


def _settle_in_thread(row: Upload) -> bool:
    try:
        return _settle(row)
    finally:
        connections.close_all()


def forget_old() -> int:
    """Deletes uploads of which nothing came for a day, and settled ones after a day. Returns how many."""
    now = timezone.now()
    with scope.across_tenants("the sweeper serves every tenant"):
        opened = Upload.objects.filter(state=Upload.State.OPEN, created_at__lt=now - files.KEPT)
        old = [*opened, *Upload.objects.filter(state__in=SETTLED, expires_at__lt=now)]
        return sum(_forget(row) for row in old)


def forget_stranded() -> int:
    """Deletes complete uploads that wait for too long because their tenant is switched off. Returns how many."""
    expired_before = retention.stranded_before() + files.KEPT  # a complete one expires a day after its arrival
    with scope.across_tenants("the sweeper serves every tenant"):
        whole = Upload.objects.filter(state=Upload.State.ARRIVED, tenant__is_active=False)
        return sum(_forget(row) for row in whole.filter(expires_at__lt=expired_before))


def drop_strays() -> int:
    """Deletes bytes of no upload: their tenant was deleted, or a process was killed. Returns how many files."""
    with scope.across_tenants("the sweeper serves every tenant"):
        known = set(Upload.objects.values_list("id", flat=True))
    count = 0
    for upload_id in list(files.strays(known)):
        files.drop(upload_id)
        count += 1
    if storage.is_local():
        return count
    return count + bucket.drop_strays({str(upload_id) for upload_id in known}, timezone.now() - 2 * files.KEPT)


def _forget(row: Upload) -> bool:
    """Deletes an upload. Logs errors, so that the others are deleted too."""
    try:
        if row.is_settled:
            return _forget_settled(row)
        if row.state == Upload.State.ARRIVED:
            return _forget_whole(row)
        return _forget_file(row) if row.is_on_disk else _forget_parts(row)
    except Exception:
        log.exception("Upload %s could not be deleted", row.id)
        return False


def _forget_settled(row: Upload) -> bool:
    """Deletes its bytes first: a crash after it was settled may have left them."""
    if row.is_on_disk:
        files.drop(row.id)
    else:
        bucket.abort(row.object_key)
    return bool(Upload.objects.filter(id=row.id).delete()[0])


def _forget_whole(row: Upload) -> bool:
    """Deletes its row first, unless its tenant is active again or somebody accepts it; a crash then leaves strays."""
    rows = Upload.objects.filter(id=row.id, state=Upload.State.ARRIVED, tenant__is_active=False)
    if not row.is_on_disk:
        forgotten = bool(rows.filter(not_before__lte=Now()).delete()[0])
        if forgotten:
            bucket.abort(row.object_key)
        return forgotten
    try:
        file = LockedFile(row.id, row.length)
    except Locked:
        return False
    except Gone:
        return bool(rows.delete()[0])  # what another host may have is a stray there
    try:
        forgotten = bool(rows.delete()[0])
        if forgotten:
            file.drop()
        return forgotten
    finally:
        file.close()


def _forget_file(row: Upload) -> bool:
    """Checks again with the file locked: a client may have sent more."""
    still_open = Upload.objects.filter(id=row.id, state=Upload.State.OPEN)
    try:
        file = LockedFile(row.id, row.length)
    except Locked:
        return False
    except Gone:
        # Another host may have it and be receiving it.
        return bool(still_open.filter(created_at__lt=timezone.now() - GONE_FOR_GOOD).delete()[0])
    try:
        expires = files.expires_at(row.id)
        if file.is_whole or expires is None or expires > timezone.now():
            return False
        file.drop()
        return bool(still_open.delete()[0])
    finally:
        file.close()


def _forget_parts(row: Upload) -> bool:
    """Ends requests for URLs and completion first, then deletes the parts, then the row."""
    still_open = Upload.objects.filter(id=row.id, state=Upload.State.OPEN, expires_at__lt=timezone.now())
    if not still_open.update(multipart_id=""):
        return False
    bucket.abort(row.object_key)
    return bool(still_open.delete()[0])

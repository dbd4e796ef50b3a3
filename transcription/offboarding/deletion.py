"""Erases tenants. Each step looks for what is left, so that it can be interrupted anywhere and continued.

`begin` deactivates the tenant permanently: its keys, sessions and sockets are refused, nothing of it is claimed,
fetched or sent, and nothing can be added (`tenant_lock.lock_for_adding`). `advance` cancels its work and erases its
rows in short transactions, its media and its folder under EXCHANGE_ROOT outside of them. The sweeper calls it until
nothing is left.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import chain
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Count, QuerySet, Sum
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import ngettext

from tenants import scope
from tenants.models import LedgerEntry, Member, Quota, Tenant, User
from transcription import tenant_lock
from transcription.errors import Refused
from transcription.exchange import disk
from transcription.fetches.models import Fetch
from transcription.lookout import Lookout
from transcription.media import storage
from transcription.models import LaneBacklog, Recording, Status, TenantSchedule, Transcription
from transcription.offboarding import receipts
from transcription.offboarding.models import Deletion
from transcription.offboarding.tenant_models import Rows, is_known_elsewhere, rows_of, tenant_models
from transcription.queue import lifecycle
from transcription.uploads import bucket, files
from transcription.uploads.models import Upload

log = logging.getLogger(__name__)
BATCH = 200
LATE = timedelta(hours=1)
"""Longer than anybody writes into a tenant's folder who began while it was there."""
UNFINISHED = (Status.QUEUED, Status.RUNNING)
DELETED_WITH_TENANT: set[Rows] = {TenantSchedule, LaneBacklog, Quota}
"""Deleted last, since every change of a tenant's rows locks its schedule."""


def begin(tenant: Tenant, requested_by: str, archive: str = "") -> Deletion:
    """Begins to erase a tenant, which can't be undone, or returns the deletion that was begun before.

    Raises Refused while a recording of it is on legal hold.
    """
    with transaction.atomic(), scope.bound(tenant.id):
        tenant_lock.lock(tenant.id)
        if held := Recording.objects.filter(tenant=tenant).exclude(held_at=None).count():
            text = ngettext(
                "%(n)d recording of %(tenant)s is on legal hold. End the hold first.",
                "%(n)d recordings of %(tenant)s are on legal hold. End the holds first.",
                held,
            )
            raise Refused("on_hold", text % {"n": held, "tenant": tenant})
        Tenant.objects.filter(id=tenant.id, deleting_at=None).update(is_active=False, deleting_at=timezone.now())
        row, is_new = Deletion.objects.get_or_create(
            tenant_uuid=tenant.id,
            defaults={
                "tenant_name": tenant.name,
                "requested_by": requested_by,
                "archive": archive,
                "ledger": _ledger_totals(tenant.id),
            },
        )
    if is_new:
        log.warning("Tenant %s is being erased, requested by %s", tenant.id, requested_by)
    return row


def advance_all() -> int:
    """Continues every deletion, and returns the number of finished ones."""
    count = 0
    for row in _erasing():
        try:
            count += advance(row)
        except Exception:
            log.exception("Tenant %s could not be erased; the next sweep tries again", row.tenant_uuid)
    _erase_what_came_late()
    return count


def advance(row: Deletion) -> bool:
    """Erases what is left and writes the receipt; returns False if something is left or another process wrote it."""
    with scope.bound(row.tenant_uuid):
        _end_work(row)
        _count_media(row)
        _erase_uploads(row)
        _erase_rows(row)
        _erase_people(row)
        _erase_tenant(row)
    storage.erase_tenant(row.tenant_uuid)
    disk.erase(row.tenant_uuid)
    sizes = chain(storage.sizes_of(row.tenant_uuid), disk.sizes_of(row.tenant_uuid))
    is_empty = next(sizes, None) is None
    return is_empty and _finish(row)


def _erase_what_came_late() -> None:
    """Erases what a process that had begun before wrote into the folder of a tenant that was gone by then."""
    for tenant_id in _erased(timezone.now()).values_list("tenant_uuid", flat=True):
        try:
            disk.erase(tenant_id)
        except OSError:
            log.exception("The folder of the erased tenant %s could not be erased", tenant_id)


def _erasing() -> QuerySet[Deletion]:
    return Deletion.objects.filter(state=Deletion.State.ERASING)


def _erased(now: datetime | Now) -> QuerySet[Deletion]:
    return Deletion.objects.filter(state=Deletion.State.ERASED, finished_at__gt=now - LATE)


DUE = (Lookout(_erasing), Lookout(lambda: _erased(Now())))


def _ledger_totals(tenant_id: UUID) -> list[dict[str, Any]]:
    """Returns seconds and charges by month, without persons."""
    months = LedgerEntry.objects.filter(tenant_id=tenant_id).order_by("month__month").values("month__month")
    totals = months.annotate(seconds=Sum("seconds"), charges=Count("id"))
    return [
        {"month": f"{row['month__month']:%Y-%m}", "seconds": row["seconds"], "charges": row["charges"]}
        for row in totals
    ]


def _end_work(row: Deletion) -> None:
    """Cancels unfinished work; running workers notice with their next window or megabyte."""
    while unfinished := list(Transcription.objects.filter(status__in=UNFINISHED)[:BATCH]):
        for transcription in unfinished:
            lifecycle.cancel(transcription)
    _erase(row, Fetch)


def _count_media(row: Deletion) -> None:
    """Counts media once, before anything is deleted, for the receipt."""
    if row.media:
        return
    media = Counter(objects=0, bytes=0, uploads=0, upload_bytes=0, exchanged=0, exchanged_bytes=0)
    for size in storage.sizes_of(row.tenant_uuid):
        media.update(objects=1, bytes=size)
    for upload in _uploads_on_disk():
        media.update(uploads=1, upload_bytes=files.size(upload.id))
    for size in disk.sizes_of(row.tenant_uuid):
        media.update(exchanged=1, exchanged_bytes=size)
    Deletion.objects.filter(id=row.id, media={}).update(media=dict(media))
    row.refresh_from_db()


def _uploads_on_disk() -> Iterable[Upload]:
    return Upload.objects.filter(way=Upload.Way.TUS).only("id").iterator(BATCH)


def _erase_uploads(row: Deletion) -> None:
    """Deletes files before rows, which say whose they are."""
    for upload in _uploads_on_disk():
        files.drop(upload.id)
    if not storage.is_local():
        bucket.abort(f"tenants/{row.tenant_uuid}/")
    _erase(row, Upload)


def _erase_rows(row: Deletion) -> None:
    """Erases recordings one at a time, since each may have thousands of segments, then all other rows."""
    _erase(row, Recording, at_once=1)
    for model in tenant_models():
        if model not in DELETED_WITH_TENANT and model is not Member:
            _erase(row, model)


def _erase(row: Deletion, model: Rows, at_once: int = BATCH) -> None:
    """Erases the rows of one model and their entries in the admin's log, `at_once` rows in a transaction."""
    rows = rows_of(model, row.tenant_uuid).order_by("pk").values_list("pk", flat=True)
    while keys := list(rows[:at_once]):
        with transaction.atomic():
            tenant_lock.lock(row.tenant_uuid)
            _delete_log_entries(model, keys)
            _count_erased(row, model._base_manager.filter(pk__in=keys).delete()[1])


def _erase_people(row: Deletion) -> None:
    """Erases members, and those of their users that are not operators and not referred to by other tenants."""
    while member := Member.objects.filter(tenant_id=row.tenant_uuid).select_related("user").first():
        user = member.user
        with transaction.atomic():
            tenant_lock.lock(row.tenant_uuid)
            counts = Counter(Member.objects.filter(pk=member.pk).delete()[1])
            if not (user.is_staff or user.is_superuser or is_known_elsewhere(user, row.tenant_uuid)):
                _delete_log_entries(User, [user.pk])
                counts.update(user.delete()[1])
            _count_erased(row, counts)


def _erase_tenant(row: Deletion) -> None:
    tenant = Tenant.objects.filter(id=row.tenant_uuid).first()
    if tenant is None:
        return
    with transaction.atomic():
        tenant_lock.lock(row.tenant_uuid)
        _delete_log_entries(Tenant, [tenant.pk])
        _count_erased(row, tenant.delete()[1])


def _finish(row: Deletion) -> bool:
    _end_sessions()
    row.refresh_from_db()
    row.finished_at, row.state = timezone.now(), Deletion.State.ERASED
    row.receipt = receipts.write(row, settings.PORTAL_URL)
    rows = Deletion.objects.filter(id=row.id, state=Deletion.State.ERASING)
    if not rows.update(state=row.state, finished_at=row.finished_at, receipt=row.receipt):
        return False
    log.warning("Tenant %s was erased: receipt %s", row.tenant_uuid, row.id)
    return True


def _end_sessions() -> None:
    """Deletes the sessions of deleted users."""
    known = {str(pk) for pk in User.objects.values_list("pk", flat=True)}
    for session in Session.objects.iterator(BATCH):
        user_id = session.get_decoded().get("_auth_user_id")
        if user_id is not None and user_id not in known:
            session.delete()


def _delete_log_entries(model: Rows, keys: Iterable[object]) -> None:
    """Deletes the entries of the admin's log, which contain names of the objects."""
    kind = ContentType.objects.get_for_model(model)
    LogEntry.objects.filter(content_type=kind, object_id__in=[str(key) for key in keys]).delete()


def _count_erased(row: Deletion, counts: Mapping[str, int]) -> None:
    """Adds to the deletion's counts. Call it in the deleting transaction."""
    total = Counter(Deletion.objects.select_for_update().get(id=row.id).erased)
    total.update({name.lower(): count for name, count in counts.items() if count})
    Deletion.objects.filter(id=row.id).update(erased=dict(sorted(total.items())))

"""Opens uploads, and refuses whatever can be refused before the first byte."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Sum
from django.utils.translation import gettext as _

from tenants import quota
from tenants.access import Actor
from tenants.models import Quota, Tenant
from tenants.quota import QuotaExceeded
from transcription import tenant_lock
from transcription.errors import Refused, over_quota_noted
from transcription.folders import folders
from transcription.media import storage
from transcription.media.filenames import clean_name
from transcription.models import Folder, Recording
from transcription.options.options import OPTIONS, TranscriptionOptions
from transcription.uploads import bucket, files
from transcription.uploads.models import Upload

log = logging.getLogger(__name__)
MOST_OPEN = 100


@dataclass(frozen=True)
class Plan:
    """What a client announces. `length` in bytes; `options` by name, unchecked, maybe among others.

    `folder` is the name or id of one, or empty.
    """

    name: str
    length: int
    options: Mapping[str, Any] = field(default_factory=dict)
    source: str = Recording.Source.API
    metadata: str = ""
    idempotency_key: str = ""
    folder: str = ""


def largest(tenant: Tenant) -> int:
    """Returns the most bytes that one upload of a tenant may have."""
    return min(tenant.quota.upload_bytes, settings.UPLOAD_BYTES_LIMIT)


def open_on_disk(actor: Actor, plan: Plan) -> Upload:
    """Opens an upload whose bytes come to this server. Raises Refused, InvalidOption and PermissionDenied."""
    row = _opened(actor, plan, Upload.Way.TUS)
    try:
        files.create(row.id)
    except OSError as error:
        log.error("The file of an upload could not be created: %s", error)
        row.delete()
        raise _no_room() from error
    return row


def open_in_bucket(actor: Actor, plan: Plan) -> Upload:
    """Opens an upload whose parts go to S3. Raises Refused, InvalidOption and PermissionDenied."""
    if storage.is_local():
        message = _("This installation has no object storage. Send the file with tus to /api/v1/uploads.")
        raise Refused("no_object_storage", message)
    row = _opened(actor, plan, Upload.Way.S3)
    try:
        row.multipart_id = bucket.begin(row.object_key)
    except Exception:
        row.delete()
        raise
    Upload.objects.filter(id=row.id).update(multipart_id=row.multipart_id)
    return row


def _opened(actor: Actor, plan: Plan, way: Upload.Way) -> Upload:
    actor.require("recordings.create")
    TranscriptionOptions.from_fields(plan.options)
    if plan.length == 0:
        raise Refused("empty_file", _("The file is empty."))
    folder = folders.chosen(actor, plan.folder)
    try:
        return _within_limits(actor, plan, way, folder)
    except QuotaExceeded as exceeded:
        raise over_quota_noted(actor.tenant, exceeded) from exceeded


def _within_limits(actor: Actor, plan: Plan, way: Upload.Way, folder: Folder | None) -> Upload:
    """Checks the limits, those on what is under way with the tenant locked, and inserts the row.

    Raises QuotaExceeded and Refused.
    """
    limit = largest(actor.tenant)
    if plan.length > limit:
        raise QuotaExceeded("upload_bytes", plan.length, limit, limit)
    quota.check(actor.tenant, seconds=1, size=plan.length)
    if way == Upload.Way.TUS and not files.has_room(plan.length):
        raise _no_room()
    row = Upload(
        tenant=actor.tenant,
        user=actor.user,
        api_key=actor.key,
        visit=actor.visit,
        way=way,
        name=clean_name(plan.name),
        length=plan.length,
        metadata=plan.metadata,
        options={name: plan.options[name] for name in OPTIONS if plan.options.get(name)},
        source=plan.source,
        folder=folder,
        idempotency_key=plan.idempotency_key,
        part_bytes=bucket.part_bytes(plan.length) if way == Upload.Way.S3 else 0,
        expires_at=files.fresh_expiry(),
    )
    with transaction.atomic():
        tenant_lock.lock_for_adding(actor.tenant.id)
        _check_under_way(actor.tenant, plan.length)
        folders.require_addable(actor, folder)
        row.save(force_insert=True)
    return row


def _check_under_way(tenant: Tenant, length: int) -> None:
    """Counts uploads under way as if they were stored. Raises QuotaExceeded and Refused."""
    under_way = Upload.objects.filter(tenant=tenant, state__in=(Upload.State.OPEN, Upload.State.ARRIVED))
    found = under_way.order_by().aggregate(n=Count("id"), bytes=Sum("length"))
    if found["n"] >= MOST_OPEN:
        message = _("%(n)d uploads are open. Finish or delete some of them; GET /api/v1/uploads lists them.")
        raise Refused("too_many_uploads", message % {"n": found["n"]})
    limits = Quota.objects.get(tenant=tenant)
    left = limits.stored_bytes - limits.stored_bytes_used - (found["bytes"] or 0)
    if length > left:
        raise QuotaExceeded("stored_bytes", length, max(0, left), limits.stored_bytes)


def _no_room() -> Refused:
    return Refused("no_room", _("The server has no room for this upload. Try later."))

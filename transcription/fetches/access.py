"""Access to a tenant's fetches: each function takes an actor; other tenants' fetches raise Http404."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from tenants import quota
from tenants.access import Actor
from tenants.quota import QuotaExceeded
from tenants.shortcuts import first_or_404
from transcription import tenant_lock
from transcription.errors import InvalidOption, Refused, over_quota
from transcription.fetches.models import UNDER_WAY, Fetch
from transcription.folders import folders
from transcription.folders.visibility import among, seen_arriving
from transcription.intake import idempotency
from transcription.intake.request import CallContext
from transcription.media.filenames import clean_name
from transcription.models import IdempotencyKey
from transcription.options.options import TranscriptionOptions
from transcription.outbound.errors import OutboundError
from transcription.outbound.target import DOWNLOADS, parse_target

MOST_UNDER_WAY = 1000
MOST_SHOWN = 10
RECENTLY = timedelta(days=1)
OPTIONS = {field.name for field in fields(TranscriptionOptions)}


@dataclass(frozen=True)
class CreatedFetch:
    """A fetch; `is_new` unless an earlier call under the same idempotency key created it."""

    fetch: Fetch
    is_new: bool


def create(
    actor: Actor, url: str, name: str, options: TranscriptionOptions, call: CallContext, folder: str = ""
) -> CreatedFetch:
    """Creates a fetch, without resolving or connecting anything; `folder` is the name or id of one, or empty.

    Raises InvalidOption, Refused and PermissionDenied.
    """
    actor.require("recordings.create")
    try:
        target = parse_target(url.strip(), DOWNLOADS)
    except OutboundError as error:
        raise InvalidOption("url", str(error), error.code) from error
    row = Fetch(
        id=call.id,
        tenant=actor.tenant,
        api_key=actor.key,
        url=target.url,
        name=clean_name(name) if name else "",
        options=options.chosen,
        folder=folders.chosen(actor, folder),
        endpoint=call.endpoint,
        idempotency_key=call.key,
    )
    row.request_sha256 = _digest(row)
    with transaction.atomic():
        tenant_lock.lock_for_adding(actor.tenant.id)
        folders.require_addable(actor, row.folder)
        earlier = _earlier(actor, row)
        if earlier is not None:
            return CreatedFetch(earlier, is_new=False)
        _check_room(actor)
        row.save(force_insert=True)
    return CreatedFetch(row, is_new=True)


def fetches(actor: Actor, status: str = "") -> QuerySet[Fetch]:
    """Selects the tenant's fetches, the newest first, but for those to folders that the actor doesn't see."""
    actor.require("recordings.view")
    rows = Fetch.objects.filter(seen_arriving(actor), tenant=actor.tenant)
    rows = rows.order_by("-created_at", "-id")
    return rows.filter(status=status) if status else rows


def recent(actor: Actor) -> list[Fetch]:
    """Returns fetches under way and those that failed within a day, the newest first, at most MOST_SHOWN."""
    actor.require("recordings.view")
    failed = Q(status=Fetch.Status.FAILED, finished_at__gt=timezone.now() - RECENTLY)
    are_shown = Q(status__in=UNDER_WAY) | failed
    if not Fetch.objects.filter(are_shown, tenant=actor.tenant).exists():
        return []  # without asking whose folders they are for, which takes several times as long
    return list(fetches(actor).filter(are_shown).select_related("api_key")[:MOST_SHOWN])


def fetch(actor: Actor, fetch_id: UUID) -> Fetch:
    """Returns a fetch. Raises Http404."""
    return first_or_404(fetches(actor).filter(id=fetch_id), _("There is no such fetch."))


def cancel(actor: Actor, fetch_id: UUID) -> tuple[Fetch, bool]:
    """Cancels a fetch; the second value is False if it was over, or its file had arrived.

    Raises Http404, and PermissionDenied where the actor may add nothing to its folder.
    """
    actor.require("recordings.create")
    row = fetch(actor, fetch_id)
    among(actor, row.folder).require(folders.ADD)
    stoppable = Fetch.objects.filter(id=row.id, status__in=(Fetch.Status.QUEUED, Fetch.Status.FETCHING))
    stopped = stoppable.update(
        status=Fetch.Status.CANCELLED, fence=F("fence") + 1, finished_at=Now(), url=row.shown_url, options={}
    )
    return fetch(actor, fetch_id), stopped == 1


def options_of(row: Fetch) -> TranscriptionOptions:
    """Returns the options as they were checked when the fetch was created."""
    return TranscriptionOptions(**{name: value for name, value in row.options.items() if name in OPTIONS})


def _earlier(actor: Actor, row: Fetch) -> Fetch | None:
    """Returns the fetch that the same request created under this key.

    Raises Refused if the key was used otherwise, or for what the actor doesn't see.
    """
    if not row.idempotency_key:
        return None
    rows = Fetch.objects.filter(tenant=row.tenant, idempotency_key=row.idempotency_key)
    found = rows.first()
    is_same = found is not None and found.request_sha256 == row.request_sha256
    if found is not None and is_same and fetches(actor).filter(id=found.id).exists():
        return found
    if found is None and not IdempotencyKey.objects.filter(tenant=row.tenant, key=row.idempotency_key).exists():
        return None
    raise idempotency.key_reused()


def _check_room(actor: Actor) -> None:
    """Raises Refused for too many fetches and a full quota. What the file needs is checked when it is here."""
    if Fetch.objects.filter(tenant=actor.tenant, status__in=UNDER_WAY).count() >= MOST_UNDER_WAY:
        message = _("%(n)d downloads are under way already. Wait until some are done.") % {"n": MOST_UNDER_WAY}
        raise Refused("too_many_fetches", message)
    try:
        quota.check(actor.tenant, seconds=1, size=1)
    except QuotaExceeded as exceeded:
        raise over_quota(actor.tenant, exceeded) from exceeded


def _digest(row: Fetch) -> str:
    request: dict[str, Any] = {"endpoint": row.endpoint, "url": row.url, "name": row.name, "options": row.options}
    if row.folder_id:
        request["folder"] = str(row.folder_id)
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()

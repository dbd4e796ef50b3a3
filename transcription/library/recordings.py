"""Access to a tenant's recordings and transcriptions. Other tenants' rows raise Http404."""

from __future__ import annotations

import logging
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F, OuterRef, Prefetch, Q, QuerySet, Subquery
from django.db.models.functions import Greatest
from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext as _

from tenants import audit, quota, scope
from tenants.access import Actor, system_actor
from transcription import search as text_search
from transcription import tenant_lock
from transcription.library.filters import EVERYTHING, TO_CHECK, Filter
from transcription.library.orders import ordered
from transcription.media import storage
from transcription.models import MAIN, WHOLE, Recording, Tagging, Transcription
from transcription.queue import lifecycle
from transcription.strikes import copies

log = logging.getLogger(__name__)
UNDO_WINDOW = timedelta(minutes=10)
ERASED = "recording.erased"
MOST_NAMED = 80  # objects of an erased recording, in its audit entry


def recordings(actor: Actor, filters: Filter = EVERYTHING, order: str = "") -> QuerySet[Recording]:
    """Returns the tenant's recordings in an order of `orders`, with their transcriptions and tags prefetched.

    Without an order the newest come first, and of those to proofread the ones that have the most words a second that
    are probably wrong and not checked.
    """
    actor.require("recordings.view")
    rows = filters.applied(Recording.objects.filter(tenant=actor.tenant, deleted_at=None), actor)
    rows = ordered(rows, order) if order or filters.checked != TO_CHECK else _worst_first(actor, rows)
    return rows.defer("peaks").prefetch_related(
        Prefetch("transcriptions", Transcription.objects.filter(MAIN).defer("text", "prompt")),
        Prefetch("taggings", Tagging.objects.select_related("tag")),
    )


def _worst_first(actor: Actor, rows: QuerySet[Recording]) -> QuerySet[Recording]:
    newest = ("-created_at", "-id")
    latest = Transcription.objects.filter(MAIN, tenant=actor.tenant, recording=OuterRef("pk")).order_by(*newest)
    left = F("doubtful_words") * (1.0 - F("checked_share"))
    rows = rows.annotate(doubtful=Subquery(latest.annotate(left=left).values("left")[:1]))
    rate = F("doubtful") / Greatest(F("duration_seconds"), 1.0)
    return rows.annotate(doubtful_rate=rate).order_by("-doubtful_rate", *newest)


def transcriptions(actor: Actor, recording_id: UUID) -> QuerySet[Transcription]:
    """Returns the transcriptions of one recording, newest first. Raises Http404."""
    row = recording(actor, recording_id)
    return row.transcriptions.filter(WHOLE).defer("text", "prompt").order_by("-created_at", "-id")


def recording(actor: Actor, recording_id: UUID, deleted: bool = False) -> Recording:
    """Returns one recording of the actor's tenant. Raises Http404."""
    actor.require("recordings.view")
    rows = Recording.objects.filter(tenant=actor.tenant, id=recording_id, deleted_at__isnull=not deleted)
    tags = Prefetch("taggings", Tagging.objects.select_related("tag"))
    row = rows.select_related("created_by", "api_key").prefetch_related(tags).first()
    if row is None:
        raise Http404(_("There is no such recording."))
    return row


def transcription(actor: Actor, transcription_id: UUID, only: Q = WHOLE) -> Transcription:
    """Returns one transcription of the actor's tenant, by default of a whole recording. Raises Http404."""
    actor.require("recordings.view")
    rows = Transcription.objects.filter(only, tenant=actor.tenant, id=transcription_id, recording__deleted_at=None)
    row = rows.select_related("recording").first()
    if row is None:
        raise Http404(_("There is no such transcription."))
    return row


def source_of(row: Transcription) -> Recording | None:
    """Returns the other recording whose text a transcription reuses, unless it was deleted."""
    rows = Recording.objects.filter(transcriptions=row.reused_from_id, deleted_at=None)
    return rows.exclude(id=row.recording_id).first() if row.reused_from_id else None


def cancel(actor: Actor, transcription_id: UUID) -> tuple[Transcription, bool]:
    """Cancels a transcription without charging it, and returns it with whether it was unfinished. Raises Http404."""
    actor.require("recordings.create")
    row = transcription(actor, transcription_id)
    with transaction.atomic():
        cancelled = lifecycle.cancel(row)
        if cancelled:
            audit.record(actor, "transcription.cancelled", row, recording=str(row.recording_id))
    return transcription(actor, transcription_id), cancelled


def delete(actor: Actor, recording_id: UUID) -> Recording:
    """Hides a recording and cancels its transcriptions; `restore` undoes it within UNDO_WINDOW. Raises Http404."""
    actor.require("recordings.delete")
    row = recording(actor, recording_id)
    with transaction.atomic():
        tenant_lock.lock(actor.tenant.id)
        _cancel_all(row)
        row.deleted_at = timezone.now()
        if not Recording.objects.filter(id=row.id).update(deleted_at=row.deleted_at):
            raise Http404(_("There is no such recording."))
        text_search.remove_recording(row.id)
        audit.record(actor, "recording.deleted", row)
    log.info("Recording %s of tenant %s was deleted by %s", row.id, actor.tenant.id, actor.user or actor.key)
    return row


def restore(actor: Actor, recording_id: UUID) -> Recording:
    """Undoes `delete`. Raises Http404 after UNDO_WINDOW."""
    actor.require("recordings.delete")
    row = recording(actor, recording_id, deleted=True)
    if row.deleted_at is None or row.deleted_at < timezone.now() - UNDO_WINDOW:
        raise Http404(_("It is too late to undo this."))
    with transaction.atomic():
        tenant_lock.lock(actor.tenant.id)
        if not Recording.objects.filter(id=row.id, deleted_at=row.deleted_at).update(deleted_at=None):
            raise Http404(_("There is no such recording."))
        text_search.index_recording(row.id)
        audit.record(actor, "recording.restored", row)
    row.deleted_at = None
    return row


def erase(actor: Actor, recording_id: UUID) -> None:
    """Deletes a recording permanently. Raises Http404."""
    actor.require("recordings.delete")
    row = recording(actor, recording_id)
    purge(actor.tenant.id, Recording.objects.filter(id=row.id), actor)


def purge_deleted() -> int:
    """Purges the recordings that can't be restored any more, and returns their number."""
    with scope.across_tenants("the sweeper serves every tenant"):
        expired = Recording.objects.filter(deleted_at__lt=timezone.now() - 2 * UNDO_WINDOW)
        ids = list(expired.values_list("tenant_id", "id"))
        return sum(purge(tenant_id, expired.filter(id=recording_id)) for tenant_id, recording_id in ids)


def purge(tenant_id: UUID, rows: QuerySet[Recording], actor: Actor | None = None) -> bool:
    """Deletes the first of `rows` and then its media; returns False without a row.

    It is audited as the actor's, or the portal's own without one. A crash in between leaves media without a row, which
    the sweeper deletes.
    """
    with transaction.atomic():
        tenant_lock.lock(tenant_id)
        row = rows.first()
        if row is None:
            return False
        _cancel_all(row)
        # Locks transcriptions before segments, as corrections do.
        texts = list(row.transcriptions.select_for_update().order_by("id").values_list("id", "rehears"))
        whole = [text for text, rehears in texts if rehears is None]
        parts = [text for text, rehears in texts if rehears is not None]
        objects = [str(pk) for pk in (*whole, *row.shares.values_list("id", flat=True), *parts)]
        named, more = objects[:MOST_NAMED], len(objects) > MOST_NAMED
        audit.record(actor or system_actor(row.tenant), ERASED, row, sha256=row.sha256, objects=named, more=more)
        keys = [*row.media_keys, *copies.forget(row.id)]
        row.delete()
        if row.audio_deleted_at is None:
            quota.give_storage_back(tenant_id, row.bytes)
    storage.discard(*keys)
    return True


def _cancel_all(recording: Recording) -> None:
    """Cancels the recording's transcriptions.

    Must come before a change to the recording's row: workers that complete a transcription lock in this order too.
    """
    for row in recording.transcriptions.all():
        lifecycle.cancel(row)

"""Access to a tenant's recordings and transcriptions.

Other tenants' rows raise Http404, and so do those in folders that the actor doesn't see: transcription.folders.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import BooleanField, ExpressionWrapper, F, OuterRef, Prefetch, Q, QuerySet, Subquery
from django.db.models.functions import Greatest
from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext as _

from tenants import audit, quota, scope
from tenants.access import Actor, system_actor
from transcription import search as text_search
from transcription import tenant_lock
from transcription.folders.visibility import among, seen, seen_in_lists
from transcription.library import holds, videos
from transcription.library.filters import EVERYTHING, MOST_COUNTED, MOST_FOUND, TO_CHECK, Filter
from transcription.library.orders import ordered
from transcription.media import storage
from transcription.models import LATEST_FIRST, MAIN, WHOLE, Recording, Status, Tagging, Transcription
from transcription.queue import lifecycle
from transcription.strikes import copies

UNDO_WINDOW = timedelta(minutes=10)
ERASE = "recordings.erase"
"""The permission to delete for good."""

ERASED = "recording.erased"
ROW = (
    *("tenant", "name", "source", "created_at", "duration_seconds", "struck"),
    *("folder__name", "folder__restricted", "folder__is_private", "folder__owner"),
    *("created_by__first_name", "created_by__last_name", "created_by__email", "api_key__name"),
)
ROW_TEXT = (
    *("tenant", "recording", "created_at", "chosen_at", "rehears", "translates", "range_tag", "status", "sequence"),
    *("saved_seconds", "language", "detected_language", "warnings", "checked", "checked_share", "text_deleted_at"),
)
"""Columns of recordings and transcriptions that a page of a list shows: most of its time is for those that are read."""

MOST_NAMED = 80  # objects of an erased recording, in its audit entry


def recordings(
    actor: Actor, filters: Filter = EVERYTHING, order: str = "", permission: str = "recordings.view"
) -> QuerySet[Recording]:
    """Returns the recordings with which the actor may do something, in an order of `orders`.

    Their transcriptions and tags are prefetched. Without an order the newest come first, and of those to proofread the
    ones that have the most words a second that are probably wrong and not checked.
    """
    rows = _in_order(actor, _matching(actor, filters, permission)[0], filters, order)
    return _with(rows.select_related("folder").defer("peaks"), _texts().defer("text", "prompt"))


def _matching(actor: Actor, filters: Filter, permission: str) -> tuple[QuerySet[Recording], list[UUID] | None, bool]:
    """Returns the recordings in no order, and what a search has found, as `Filter.searched`."""
    actor.require(permission)
    is_seen = seen_in_lists(actor, permission=permission)
    return filters.searched(Recording.objects.filter(is_seen, tenant=actor.tenant, deleted_at=None), actor)


def _in_order(actor: Actor, rows: QuerySet[Recording], filters: Filter, order: str) -> QuerySet[Recording]:
    return ordered(rows, order) if order or filters.checked != TO_CHECK else _worst_first(actor, rows)


def _is_silent() -> ExpressionWrapper[Q]:
    """Tells of a transcription whether no speech was found, without its text."""
    return ExpressionWrapper(Q(status=Status.COMPLETED, text="", text_deleted_at=None), BooleanField())


def _texts() -> QuerySet[Transcription]:
    return Transcription.objects.filter(MAIN).annotate(is_silent=_is_silent())


def _with(rows: QuerySet[Recording], texts: QuerySet[Transcription]) -> QuerySet[Recording]:
    tags = Tagging.objects.select_related("tag")
    return rows.prefetch_related(Prefetch("transcriptions", texts), Prefetch("taggings", tags))


@dataclass(frozen=True)
class Listing:
    """A page of a list of recordings, and how many there are: more than `count` if there are `and_more`."""

    rows: list[Recording]
    number: int
    size: int
    count: int
    and_more: bool
    has_next: bool

    @property
    def pages(self) -> int:
        return max(1, -(-self.count // self.size))


def listing(actor: Actor, filters: Filter, order: str, number: int, size: int) -> Listing:
    """Returns a page of what `recordings` returns, the last one for a number that is too high. From 1."""
    rows, found, is_all = _matching(actor, filters, "recordings.view")
    most = MOST_FOUND if filters.search else MOST_COUNTED
    count = rows[: most + 1].count() if found is None else len(found)
    and_more, count = count > most, min(count, most)
    if found is not None and is_all:
        with scope.across_tenants("they were found among the tenant's, whose index is slower than theirs"):
            rows = Recording.objects.filter(id__among=found)

    def page() -> list[Recording]:
        """Reads one more than a page, and what belongs to a row only of those."""
        ids = _in_order(actor, rows, filters, order).values("id")[(number - 1) * size : number * size + 1]
        shown = _in_order(actor, Recording.objects.filter(id__in=ids), filters, order)
        shown = shown.select_related("folder", "created_by", "api_key").only(*ROW)
        return list(_with(shown, _texts().only(*ROW_TEXT)))

    if not and_more:
        number = min(number, max(1, -(-count // size)))
    read = page()
    if not read and number > 1:
        number = -(-count // size)
        read = page()
    return Listing(read[:size], number, size, count, and_more, len(read) > size)


def _worst_first(actor: Actor, rows: QuerySet[Recording]) -> QuerySet[Recording]:
    newest = ("-created_at", "-id")
    latest = Transcription.objects.filter(MAIN, tenant=actor.tenant, recording=OuterRef("pk")).order_by(*LATEST_FIRST)
    left = F("doubtful_words") * (1.0 - F("checked_share"))
    rows = rows.annotate(doubtful=Subquery(latest.annotate(left=left).values("left")[:1]))
    rate = F("doubtful") / Greatest(F("duration_seconds"), 1.0)
    return rows.annotate(doubtful_rate=rate).order_by("-doubtful_rate", *newest)


def transcriptions(actor: Actor, recording_id: UUID) -> QuerySet[Transcription]:
    """Returns the transcriptions of one recording, newest first. Raises Http404."""
    row = recording(actor, recording_id)
    return row.transcriptions.filter(WHOLE).defer("text", "prompt").order_by("-created_at", "-id")


def recording(
    actor: Actor, recording_id: UUID, deleted: bool = False, permission: str = "recordings.view"
) -> Recording:
    """Returns a recording that the actor sees. Raises Http404, and PermissionDenied where it may not do that there."""
    actor.require("recordings.view")
    rows = Recording.objects.filter(seen(actor), tenant=actor.tenant, id=recording_id, deleted_at__isnull=not deleted)
    tags = Prefetch("taggings", Tagging.objects.select_related("tag"))
    row = rows.select_related("created_by", "api_key", "folder").prefetch_related(tags).first()
    if row is None:
        raise Http404(_("There is no such recording."))
    if permission != "recordings.view":
        among(actor, row.folder).require(permission)
    return row


def transcription(
    actor: Actor, transcription_id: UUID, only: Q = WHOLE, permission: str = "recordings.view"
) -> Transcription:
    """Returns a transcription that the actor sees, by default of a whole recording.

    Raises Http404, and PermissionDenied where it may not do that with the recording.
    """
    actor.require("recordings.view")
    rows = Transcription.objects.filter(only, seen(actor, "recording"), tenant=actor.tenant, id=transcription_id)
    row = rows.filter(recording__deleted_at=None).select_related("recording__folder").first()
    if row is None:
        raise Http404(_("There is no such transcription."))
    if permission != "recordings.view":
        among(actor, row.recording.folder).require(permission)
    return row


def source_of(actor: Actor, row: Transcription) -> Recording | None:
    """Returns the other recording whose text a transcription reuses, if the actor sees it."""
    rows = Recording.objects.filter(seen(actor), transcriptions=row.reused_from_id, deleted_at=None)
    return rows.exclude(id=row.recording_id).first() if row.reused_from_id else None


def cancel(actor: Actor, transcription_id: UUID) -> tuple[Transcription, bool]:
    """Cancels a transcription without charging it, and returns it with whether it was unfinished. Raises Http404."""
    actor.require("recordings.create")
    row = transcription(actor, transcription_id, permission="recordings.create")
    with transaction.atomic():
        cancelled = lifecycle.cancel(row)
        if cancelled:
            audit.record(actor, "transcription.cancelled", row, recording=str(row.recording_id))
    return transcription(actor, transcription_id), cancelled


def delete(actor: Actor, recording_id: UUID) -> Recording:
    """Puts a recording into the bin and cancels its transcriptions; `restore` undoes it until it is erased.

    Raises Http404, and Refused while it is on hold.
    """
    actor.require("recordings.delete")
    with transaction.atomic():
        tenant_lock.lock(actor.tenant.id)
        row = recording(actor, recording_id, permission="recordings.delete")
        holds.require_none(row)
        _cancel_all(row)
        row.deleted_at = timezone.now()
        row.erase_at = row.deleted_at + max(timedelta(days=actor.tenant.bin_days), UNDO_WINDOW)
        row.deleted_by = actor.name[:254]
        row.save(update_fields=["deleted_at", "erase_at", "deleted_by"])
        text_search.remove_recording(row.id)
        audit.record(actor, "recording.deleted", row)
    return row


def restore(actor: Actor, recording_id: UUID) -> Recording:
    """Takes a recording out of the bin. Raises Http404 when it is too late."""
    actor.require("recordings.delete")
    with transaction.atomic():
        tenant_lock.lock(actor.tenant.id)
        row = recording(actor, recording_id, deleted=True, permission="recordings.delete")
        rows = binned(actor).filter(id=row.id, deleted_at=row.deleted_at)
        if not rows.update(deleted_at=None, erase_at=None, deleted_by=""):
            raise Http404(_("It is too late to undo this."))
        text_search.index_recording(row.id)
        audit.record(actor, "recording.restored", row)
    row.deleted_at = None
    return row


def binned(actor: Actor) -> QuerySet[Recording]:
    """Returns the recordings that the actor can bring back or erase, those that were deleted last first."""
    actor.require("recordings.delete")
    visible = Recording.objects.filter(seen(actor, permission="recordings.delete"), tenant=actor.tenant)
    now = timezone.now()
    by_old_code = Q(erase_at=None, deleted_at__gt=now - UNDO_WINDOW)
    in_time = Q(erase_at__gt=now) | by_old_code
    rows = visible.filter(in_time, deleted_at__isnull=False)
    return rows.select_related("folder").defer("peaks").order_by("-deleted_at", "-id")


def empty_bin(actor: Actor) -> int:
    """Has the sweeper erase what the actor sees in the bin, and returns how many recordings these are.

    Raises PermissionDenied.
    """
    actor.require(ERASE)
    with transaction.atomic():
        tenant_lock.lock(actor.tenant.id)
        count = binned(actor).order_by().update(erase_at=timezone.now())
        if count:
            audit.record(actor, "bin.emptied", actor.tenant, recordings=count)
    return count


def erase(actor: Actor, recording_id: UUID, deleted: bool = False) -> None:
    """Deletes a recording permanently, by default one outside the bin. Raises Http404, and Refused while on hold."""
    actor.require(ERASE)
    row = recording(actor, recording_id, deleted, permission="recordings.delete")
    holds.require_none(row)
    still = Q(seen(actor, permission="recordings.delete"), id=row.id, deleted_at__isnull=not deleted)
    if not purge(actor.tenant.id, Recording.objects.filter(still), actor):
        holds.require_none(recording(actor, recording_id, deleted, permission="recordings.delete"))


def purge_deleted() -> int:
    """Erases the recordings whose time in the bin is over, and returns their number."""
    now = timezone.now()
    over = Q(erase_at__lt=now) | Q(erase_at=None, deleted_at__lt=now - 2 * UNDO_WINDOW)
    with scope.across_tenants("the sweeper serves every tenant"):
        expired = Recording.objects.filter(over, deleted_at__isnull=False, held_at=None)
        ids = list(expired.values_list("tenant_id", "id"))
        return sum(purge(tenant_id, expired.filter(id=recording_id)) for tenant_id, recording_id in ids)


def purge(tenant_id: UUID, rows: QuerySet[Recording], actor: Actor | None = None) -> bool:
    """Deletes the first of `rows` that is not on hold, and then its media; returns False without a row.

    It is audited as the actor's, or the portal's own without one. A crash in between leaves media without a row, which
    the sweeper deletes.
    """
    with transaction.atomic():
        tenant_lock.lock(tenant_id)
        row = rows.filter(held_at=None).first()
        if row is None:
            return False
        _cancel_all(row)
        # Locks transcriptions before segments, as corrections do.
        texts = list(row.transcriptions.select_for_update().order_by("id").values_list("id", "rehears"))
        whole = [text for text, rehears in texts if rehears is None]
        parts = [text for text, rehears in texts if rehears is not None]
        objects = [str(pk) for pk in (*whole, *row.shares.values_list("id", flat=True), *parts)]
        named, more = objects[:MOST_NAMED], len(objects) > MOST_NAMED
        private = row.folder is not None and row.folder.is_private
        who = actor or system_actor(row.tenant)
        audit.record(who, ERASED, row, sha256=row.sha256, objects=named, more=more, private=private)
        keys = [*row.media_keys, *copies.forget(row.id), *videos.forget_of_recording(tenant_id, row.id)]
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

"""Which exports are due, who writes them, and how that ends."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from tenants import audit, outbound_hold, scope
from tenants.access import Actor, system_actor
from tenants.shortcuts import first_or_404
from transcription import leases
from transcription.exchange import places
from transcription.exchange.models import Delivery, Place
from transcription.folders.visibility import seen
from transcription.leases import Claim
from transcription.library import retention
from transcription.lookout import Lookout
from transcription.models import LATEST_FIRST, MAIN, Recording, Status, Transcription

LEASE = timedelta(minutes=3)
"""Longer than the writing of one file takes (`s3.SECONDS`)."""
BACKOFF = leases.Backoff((10, 60, 300, 1800, 7200, 21_600, 43_200, 86_400))
"""Nine attempts within 45 hours."""
LOOKED_AT = 50
MOST_FAILED = 1000
_SHARED = Q(recording__folder=None) | Q(recording__folder__is_private=False)
"""What is in somebody's private folder by now waits until it is taken out of there."""


def order(recording: Recording, asked: Iterable[Mapping[str, Any]]) -> None:
    """Has a recording's exports written once it has a text, but of somebody's private folder none.

    Call it in the transaction that inserts the recording.
    """
    if recording.folder is not None and recording.folder.is_private:
        return
    wanted: dict[str, list[str]] = {}
    for one in asked:
        formats = wanted.setdefault(one["place"], [])
        formats += [name for name in one["formats"] if name not in formats]
    known = Place.objects.filter(tenant=recording.tenant_id, id__in=wanted)
    Delivery.objects.bulk_create(
        Delivery(tenant_id=recording.tenant_id, recording=recording, place=place, formats=wanted[str(place.id)])
        for place in known
    )


def claim(busy: Collection[UUID] = ()) -> Claim | None:
    """Claims the delivery that is due the longest of a tenant that is not `busy`. Returns None if nothing is due."""
    with scope.across_tenants("exports of every tenant are due"):
        due = _due().exclude(tenant_id__in=busy).order_by("next_attempt_at", "id")
        for row in due[:LOOKED_AT]:
            if outbound_hold.is_on():
                return None
            if won := leases.claim(_due(), row, next_attempt_at=Now() + LEASE):
                return won
    return None


def load(claim: Claim) -> tuple[Delivery, Transcription]:
    """Returns the delivery and the recording's latest text. Raises LostClaim."""
    row = leases.read(_mine(claim).filter(_SHARED).select_related("place", "recording", "tenant"))
    texts = Transcription.objects.filter(_with_text(), recording=row.recording).select_related("recording", "tenant")
    return row, leases.read(texts.order_by(*LATEST_FIRST))


def renew(claim: Claim) -> None:
    """Raises LostClaim."""
    leases.write(_mine(claim).filter(_SHARED), next_attempt_at=Now() + LEASE)


def delivered(claim: Claim, text: Transcription) -> None:
    """Ends a delivery, or makes it due again where words were struck as it was written. Raises LostClaim."""
    with transaction.atomic():
        row = leases.read(_mine(claim).select_related("place"))
        changes: dict[str, Any] = {"state": Delivery.State.DELIVERED, "finished_at": Now()}
        if Recording.objects.values_list("struck", flat=True).get(id=text.recording_id) != text.recording.struck:
            changes = {"next_attempt_at": Now()}
        leases.write(_mine(claim), **changes, attempts_made=F("attempts_made") + 1, last_error="")
        places.works(row.place)
        formats, place = ",".join(row.formats), row.place.name
        audit.record(system_actor(text.tenant), "transcript.exported", text, format=formats, place=place)


def failed(claim: Claim, reason: str, *, for_good: bool = False) -> None:
    """Tries again after a delay; gives up after the last attempt. Raises LostClaim."""
    with transaction.atomic():
        row = leases.read(_mine(claim).select_related("place"))
        made = row.attempts_made + 1
        changes: dict[str, Any] = {"attempts_made": made, "last_error": reason}
        if for_good or made > len(BACKOFF.delays):
            changes |= {"state": Delivery.State.FAILED, "finished_at": Now()}
        else:
            changes["next_attempt_at"] = Now() + timedelta(seconds=BACKOFF.after(made))
        leases.write(_mine(claim), **changes)
        if not for_good:
            places.failed(row.place, reason)


def write_anew(claim: Claim) -> None:
    """Has the exports written again whose claim was lost as they were written: what is older may lie in the place now.

    It is due after a lease, so that by then nobody writes any more whose claim this ends.
    """
    again: dict[str, Any] = {"next_attempt_at": Now() + LEASE, "finished_at": None, "attempts_made": 0}
    Delivery.objects.filter(id=claim.id).update(state=Delivery.State.PENDING, fence=F("fence") + 1, **again)


def of_place(actor: Actor, place_id: UUID) -> QuerySet[Delivery]:
    """Selects the deliveries to a place, the newest first. Raises Http404."""
    rows = Delivery.objects.filter(seen(actor, "recording"), place=places.get(actor, place_id))
    return rows.select_related("recording").order_by("-created_at", "-id")


def again(actor: Actor, place_id: UUID, delivery_id: UUID) -> Delivery:
    """Makes a delivery due now, with what the text is by then, and returns it. Raises Http404."""
    rows = of_place(actor, place_id).filter(id=delivery_id)
    fresh: dict[str, Any] = {"attempts_made": 0, "next_attempt_at": Now(), "finished_at": None, "last_error": ""}
    Delivery.objects.filter(id__in=rows.values("id")).update(
        state=Delivery.State.PENDING, fence=F("fence") + 1, **fresh
    )
    row = first_or_404(rows, _("There is no such delivery."))
    Place.objects.filter(id=place_id).update(not_before=Now())
    return row


def fail_without_text() -> int:
    """Fails what waits for texts that retention deleted, where no other one is being made. Returns how many."""
    count = 0
    with scope.across_tenants("the sweeper serves every tenant"):
        texts = Transcription.objects.filter(MAIN, recording=OuterRef("recording"))
        coming = texts.filter(status__in=(Status.QUEUED, Status.RUNNING, Status.COMPLETED), text_deleted_at=None)
        deleted = texts.filter(text_deleted_at__isnull=False).order_by("-created_at", "-id")
        pending = Delivery.objects.filter(state=Delivery.State.PENDING)
        gone = pending.filter(~Exists(coming)).annotate(text=Subquery(deleted.values("id")[:1])).exclude(text=None)
        for row in gone[:MOST_FAILED]:
            text = Transcription.objects.select_related("recording", "tenant").get(id=row.text)
            ended: dict[str, Any] = {"state": Delivery.State.FAILED, "finished_at": Now()}
            same = pending.filter(id=row.id, fence=row.fence)
            count += same.update(**ended, fence=F("fence") + 1, last_error=retention.why_no_text(text))
    return count


def _with_text() -> Q:
    return MAIN & Q(status=Status.COMPLETED, text_deleted_at=None)


def _due() -> QuerySet[Delivery]:
    texts = Transcription.objects.filter(_with_text(), recording=OuterRef("recording"))
    return Delivery.objects.filter(
        Exists(texts),
        _SHARED,
        state=Delivery.State.PENDING,
        next_attempt_at__lte=Now(),
        place__not_before__lte=Now(),
        place__is_paused=False,
        recording__deleted_at=None,
        tenant__is_active=True,
    )


DUE = Lookout(_due)


def _mine(claim: Claim) -> QuerySet[Delivery]:
    return leases.claimed(Delivery.objects.filter(state=Delivery.State.PENDING), claim)

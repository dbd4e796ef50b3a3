"""Which files of watched places are due, who takes them in, and how they end."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Least, Now
from django.utils import timezone

from tenants import outbound_hold, scope
from tenants.access import Actor
from transcription import leases
from transcription.exchange import places
from transcription.exchange.models import Arrival
from transcription.folders.visibility import seen
from transcription.inbox.polling import open_arrivals
from transcription.leases import Claim
from transcription.lookout import Lookout
from transcription.models import Transcription

LEASE = timedelta(minutes=15)
BACKOFF = leases.Backoff((10, 60, 300, 900))
UNTIL_THERE_IS_ROOM = timedelta(minutes=10)
MOST_ATTEMPTS = 10
MOST_COUNTED = 10_000
KEPT = timedelta(days=30)
LOOKED_AT = 50


def claim(busy: Collection[UUID] = ()) -> Claim | None:
    """Claims the file that is due the longest of a tenant that is not `busy`. Returns None if nothing is due."""
    with scope.across_tenants("files of every tenant are due"):
        due = _due().exclude(tenant_id__in=busy).order_by("next_attempt_at", "id")
        counted = {"attempts_made": Least(F("attempts_made") + 1, MOST_COUNTED)}
        for row in due[:LOOKED_AT]:
            if outbound_hold.is_on():
                return None
            if won := leases.claim(_due(), row, next_attempt_at=Now() + LEASE, **counted):
                return won
    return None


def load(claim: Claim) -> Arrival:
    """Raises LostClaim."""
    return leases.read(_mine(claim).select_related("place", "tenant__quota"))


def renew(claim: Claim) -> None:
    """Raises LostClaim."""
    leases.write(_mine(claim), next_attempt_at=Now() + LEASE)


def hand_back(claim: Claim) -> None:
    """Makes a file due again at once, without counting an attempt: this process must stop."""
    _mine(claim).update(next_attempt_at=Now(), attempts_made=F("attempts_made") - 1)


def forget(claim: Claim) -> None:
    """Deletes the row of a file that is gone, or is another one by now."""
    _mine(claim).delete()


def accepted(claim: Claim, made: Transcription) -> None:
    """Call it in the transaction that makes the recording. Raises LostClaim."""
    waiting = _mine(claim).filter(state=Arrival.State.WAITING)
    leases.write(waiting, state=Arrival.State.ACCEPTED, recording_id=made.recording_id, last_error="")


def refused(claim: Claim, reason: str) -> None:
    """Raises LostClaim."""
    waiting = _mine(claim).filter(state=Arrival.State.WAITING)
    leases.write(waiting, state=Arrival.State.REFUSED, last_error=reason)


def later(claim: Claim, reason: str, *, until_there_is_room: bool = False) -> None:
    """Tries again after a delay. Raises LostClaim."""
    row = load(claim)
    pause = UNTIL_THERE_IS_ROOM if until_there_is_room else timedelta(seconds=BACKOFF.after(row.attempts_made))
    leases.write(_mine(claim), next_attempt_at=Now() + pause, last_error=reason)


def moved(claim: Claim, row: Arrival) -> None:
    """Raises LostClaim."""
    is_done = row.state == Arrival.State.ACCEPTED
    state = Arrival.State.DONE if is_done else Arrival.State.FAILED
    leases.write(_mine(claim), state=state, finished_at=Now())


def of_place(actor: Actor, place_id: UUID) -> QuerySet[Arrival]:
    """Selects what came from a place, the newest first. Raises Http404."""
    rows = Arrival.objects.filter(seen(actor, "recording"), place=places.get(actor, place_id))
    return rows.select_related("recording").order_by("-created_at", "-id")


def forget_old() -> int:
    """Deletes rows of files that ended 30 days ago, or whose recording is erased by now. Returns how many."""
    old = Q(finished_at__lt=timezone.now() - KEPT) | Q(state=Arrival.State.DONE, recording=None)
    with scope.across_tenants("the sweeper serves every tenant"):
        return Arrival.objects.filter(old).delete()[0]


def _due() -> QuerySet[Arrival]:
    """Selects also what is only to be moved from a place that is no longer watched."""
    rows: dict[str, Any] = {"next_attempt_at__lte": Now(), "place__not_before__lte": Now(), "place__is_paused": False}
    wanted = Q(place__is_watched=True) | ~Q(state=Arrival.State.WAITING)
    return open_arrivals().filter(wanted, **rows, tenant__is_active=True)


DUE = Lookout(_due)


def _mine(claim: Claim) -> QuerySet[Arrival]:
    return leases.claimed(open_arrivals(), claim)

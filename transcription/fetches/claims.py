"""Who fetches what, and how fetches end. Only this module changes a fetch's status, except for cancelling."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F, Min, QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from tenants import outbound_hold, scope
from transcription import leases
from transcription.fetches.models import UNDER_WAY, Fetch
from transcription.intake import idempotency
from transcription.leases import Claim
from transcription.library import retention
from transcription.lookout import Lookout
from transcription.models import Transcription
from transcription.webhooks import events

LEASE = timedelta(seconds=60)
ACCEPTING_LEASE = timedelta(minutes=15)
MOST_ATTEMPTS = 5
BACKOFF = leases.Backoff((10, 60, 300, 900))
KEPT = timedelta(days=30)
CLAIMED = (Fetch.Status.FETCHING, Fetch.Status.ACCEPTING)
TENANTS_LOOKED_AT = 100


def claim(busy: Collection[UUID] = ()) -> Claim | None:
    """Claims the longest waiting due fetch of a tenant that is not `busy`. Returns None if nothing is due."""
    with scope.across_tenants("fetches of every tenant are due"):
        due = _due()
        tenants = due.exclude(tenant_id__in=busy).order_by().values("tenant_id").annotate(first=Min("created_at"))
        for tenant_id in tenants.order_by("first").values_list("tenant_id", flat=True)[:TENANTS_LOOKED_AT]:
            if outbound_hold.is_on():
                return None
            row = due.filter(tenant_id=tenant_id).order_by("created_at", "id").first()
            if row is not None and (claimed := _claim(row)):
                return claimed
    return None


def _due() -> QuerySet[Fetch]:
    return Fetch.objects.filter(status__in=UNDER_WAY, not_before__lte=Now(), tenant__is_active=True)


DUE = Lookout(_due)


def _claim(row: Fetch) -> Claim | None:
    """Returns None if another process was faster. Ends a fetch whose processes died again and again."""
    claimed = leases.claim(
        Fetch.objects.filter(status__in=UNDER_WAY, not_before__lte=Now()),
        row,
        status=Fetch.Status.FETCHING,
        attempts_made=F("attempts_made") + 1,
        not_before=Now() + LEASE,
        bytes_received=0,
    )
    was_last = row.attempts_made >= MOST_ATTEMPTS and not Transcription.objects.filter(id=row.id).exists()
    if claimed and was_last:
        fail(claimed, "lost_worker", _("Fetching it broke off again and again. Try again, or upload the file."))
        return None
    return claimed


def claimed_fetch(claim: Claim) -> Fetch:
    """Returns the claimed fetch with its tenant's quota and its API key. Raises LostClaim."""
    return leases.read(_mine(claim).select_related("tenant__quota", "api_key"))


def renew(claim: Claim, bytes_received: int) -> None:
    """Notes how many bytes have come, and renews the lease. Raises LostClaim."""
    leases.write(_mine(claim), bytes_received=bytes_received, not_before=Now() + LEASE)


def arrived(claim: Claim, bytes_received: int) -> None:
    """Notes that the file is here; from now on the fetch can't be cancelled. Raises LostClaim."""
    until = Now() + ACCEPTING_LEASE
    leases.write(_mine(claim), status=Fetch.Status.ACCEPTING, bytes_received=bytes_received, not_before=until)


def complete(claim: Claim, row: Transcription) -> None:
    """Links the fetch to its recording, with which it is erased from now on. Raises LostClaim."""
    made = {"recording_id": row.recording_id, "transcription_id": row.id}
    _end(claim, Fetch.Status.DONE, error_code="", error_message="", **made)


def fail(claim: Claim, code: str, message: str) -> None:
    """Ends the fetch, and records the event for webhooks. Raises LostClaim."""
    with transaction.atomic():
        _end(claim, Fetch.Status.FAILED, error_code=code, error_message=message)
        events.fetch_failed(claim.tenant_id, claim.id, code)


def _end(claim: Claim, status: str, **changes: object) -> None:
    shown_url = claimed_fetch(claim).shown_url
    leases.write(_mine(claim), status=status, url=shown_url, options={}, finished_at=Now(), **changes)


def try_later(claim: Claim, code: str, message: str, retry_after: int = 0) -> None:
    """Queues another attempt after a delay, or fails after the last one. Raises LostClaim."""
    attempts_made = claimed_fetch(claim).attempts_made
    if attempts_made >= MOST_ATTEMPTS:
        fail(claim, code, message)
        return
    due = Now() + timedelta(seconds=max(BACKOFF.after(attempts_made), retry_after))
    leases.write(_mine(claim), status=Fetch.Status.QUEUED, not_before=due, error_code=code, error_message=message)


def hand_back(claim: Claim) -> None:
    """Queues the fetch again at once, without counting an attempt: this process must stop."""
    _mine(claim).update(
        status=Fetch.Status.QUEUED, not_before=Now(), attempts_made=F("attempts_made") - 1, bytes_received=0
    )


def forget_old() -> int:
    """Deletes idempotency keys after a day, and fetches that are over after 30 days. Returns how many of both."""
    now = timezone.now()
    with scope.across_tenants("the sweeper serves every tenant"):
        named = Fetch.objects.filter(created_at__lt=now - idempotency.KEPT).exclude(idempotency_key="")
        old = Fetch.objects.filter(finished_at__lt=now - KEPT)
        return named.update(idempotency_key="") + old.delete()[0]


def forget_stranded() -> int:
    """Deletes fetches that wait for too long because their tenant is switched off. Returns how many.

    One DELETE that asks for the tenant itself: it may be switched on at any moment.
    """
    with scope.across_tenants("the sweeper serves every tenant"):
        waiting = Fetch.objects.filter(status__in=UNDER_WAY, not_before__lte=Now(), tenant__is_active=False)
        return waiting.filter(created_at__lt=retention.stranded_before()).delete()[0]


def under_way() -> int:
    """Returns how many of all tenants wait or are being fetched, for the metrics."""
    with scope.across_tenants("the installation is counted as a whole"):
        return Fetch.objects.filter(status__in=UNDER_WAY).count()


def _mine(claim: Claim) -> QuerySet[Fetch]:
    return leases.claimed(Fetch.objects.filter(status__in=CLAIMED), claim)

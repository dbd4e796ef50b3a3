"""Who fetches what, and what came of it. The only place where a fetch's status changes, but for cancelling it."""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F, Min, QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from tenants import scope
from transcription.fetches.models import UNDER_WAY, Fetch
from transcription.intake import idempotency
from transcription.library import retention
from transcription.models import Transcription
from transcription.webhooks import events

LEASE = timedelta(seconds=60)
ACCEPTING_LEASE = timedelta(minutes=15)
MOST_ATTEMPTS = 5
RETRY_DELAYS_SECONDS = (10, 60, 300, 900)
RETRY_JITTER = 0.2
KEPT = timedelta(days=30)
CLAIMED = (Fetch.Status.FETCHING, Fetch.Status.ACCEPTING)
TENANTS_LOOKED_AT = 100


class LostClaim(Exception):
    """It was cancelled, or somebody else took it over."""


@dataclass(frozen=True)
class Claim:
    """The right to write to one fetch, until its lease expires."""

    tenant_id: UUID
    fetch_id: UUID
    fence: int
    request_id: str = ""
    """Of the HTTP request that asked for it."""


def claim(busy: Collection[UUID] = ()) -> Claim | None:
    """The longest waiting due fetch of a tenant that is not `busy`; None where nothing is due."""
    with scope.across_tenants("fetches of every tenant are due"):
        due = Fetch.objects.filter(status__in=UNDER_WAY, not_before__lte=Now(), tenant__is_active=True)
        tenants = due.exclude(tenant_id__in=busy).order_by().values("tenant_id").annotate(first=Min("created_at"))
        for tenant_id in tenants.order_by("first").values_list("tenant_id", flat=True)[:TENANTS_LOOKED_AT]:
            row = due.filter(tenant_id=tenant_id).order_by("created_at", "id").first()
            if row is not None and (claimed := _claimed(row)):
                return claimed
    return None


def _claimed(row: Fetch) -> Claim | None:
    """None where another one was faster, or where it broke off too often."""
    mine = Fetch.objects.filter(id=row.id, fence=row.fence, status__in=UNDER_WAY, not_before__lte=Now())
    if not mine.update(
        status=Fetch.Status.FETCHING,
        fence=F("fence") + 1,
        attempts_made=F("attempts_made") + 1,
        not_before=Now() + LEASE,
        bytes_received=0,
    ):
        return None
    claimed = Claim(row.tenant_id, row.id, row.fence + 1, row.request_id)
    if row.attempts_made < MOST_ATTEMPTS or Transcription.objects.filter(id=row.id).exists():
        return claimed
    fail(claimed, "lost_worker", _("Fetching it broke off again and again. Try again, or upload the file."))
    return None


def held(claim: Claim) -> Fetch:
    """With its tenant's quota and its key at hand. Raises LostClaim."""
    row = _mine(claim).select_related("tenant__quota", "api_key").first()
    if row is None:
        raise LostClaim
    return row


def renew(claim: Claim, bytes_received: int) -> None:
    """So many bytes have come. Raises LostClaim."""
    if not _mine(claim).update(bytes_received=bytes_received, not_before=Now() + LEASE):
        raise LostClaim


def arrived(claim: Claim, bytes_received: int) -> None:
    """The file is here: from now on it can't be cancelled, only deleted. Raises LostClaim."""
    until = Now() + ACCEPTING_LEASE
    if not _mine(claim).update(status=Fetch.Status.ACCEPTING, bytes_received=bytes_received, not_before=until):
        raise LostClaim


def complete(claim: Claim, row: Transcription) -> None:
    """Erasing the recording takes the fetch along from now on. Raises LostClaim."""
    fetch = held(claim)
    if not _mine(claim).update(
        status=Fetch.Status.DONE,
        url=fetch.shown_url,
        options={},
        finished_at=Now(),
        error_code="",
        error_message="",
        recording_id=row.recording_id,
        transcription_id=row.id,
    ):
        raise LostClaim


def fail(claim: Claim, code: str, message: str) -> None:
    """For good. Raises LostClaim."""
    with transaction.atomic():
        fetch = held(claim)
        if not _mine(claim).update(
            status=Fetch.Status.FAILED,
            url=fetch.shown_url,
            options={},
            finished_at=Now(),
            error_code=code,
            error_message=message,
        ):
            raise LostClaim
        events.fetch_failed(claim.tenant_id, claim.fetch_id, code)


def try_later(claim: Claim, code: str, message: str, retry_after: int = 0) -> None:
    """After a delay, unless this was the last attempt. Raises LostClaim."""
    attempts_made = held(claim).attempts_made
    if attempts_made >= MOST_ATTEMPTS:
        fail(claim, code, message)
        return
    base = RETRY_DELAYS_SECONDS[attempts_made - 1] * random.uniform(1 - RETRY_JITTER, 1 + RETRY_JITTER)  # noqa: S311
    delay = timedelta(seconds=max(base, retry_after))
    _mine(claim).update(status=Fetch.Status.QUEUED, not_before=Now() + delay, error_code=code, error_message=message)


def hand_back(claim: Claim) -> None:
    """This process must stop: another one begins anew at once, and no attempt is counted."""
    _mine(claim).update(
        status=Fetch.Status.QUEUED, not_before=Now(), attempts_made=F("attempts_made") - 1, bytes_received=0
    )


def forget_old() -> int:
    """Forgets idempotency keys after a day, and fetches that are over after 30; how many of both."""
    now = timezone.now()
    with scope.across_tenants("the sweeper serves every tenant"):
        named = Fetch.objects.filter(created_at__lt=now - idempotency.KEPT).exclude(idempotency_key="")
        old = Fetch.objects.filter(finished_at__lt=now - KEPT)
        return named.update(idempotency_key="") + old.delete()[0]


def forget_stranded() -> int:
    """Forgets what nobody fetches for so long, since its tenant is switched off; how many.

    One DELETE that asks for itself: a tenant may be switched on at any moment.
    """
    with scope.across_tenants("the sweeper serves every tenant"):
        waiting = Fetch.objects.filter(status__in=UNDER_WAY, not_before__lte=Now(), tenant__is_active=False)
        return waiting.filter(created_at__lt=retention.stranded_before()).delete()[0]


def under_way() -> int:
    """How many of all tenants wait or are being fetched, for the metrics."""
    with scope.across_tenants("the installation is counted as a whole"):
        return Fetch.objects.filter(status__in=UNDER_WAY).count()


def _mine(claim: Claim) -> QuerySet[Fetch]:
    return Fetch.objects.filter(id=claim.fetch_id, fence=claim.fence, status__in=CLAIMED)

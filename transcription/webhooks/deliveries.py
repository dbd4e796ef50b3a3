"""Claims due deliveries, writes their outcomes, and gives access to their log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Case, Count, Exists, F, Min, OuterRef, QuerySet, Subquery, When
from django.db.models.functions import Coalesce, Greatest, Now
from django.utils import timezone
from django.utils.translation import gettext as _

from tenants import database_clock, outbound_hold, scope
from tenants.access import Actor
from tenants.shortcuts import first_or_404
from transcription import leases, stage_times
from transcription.leases import Claim
from transcription.lookout import Lookout
from transcription.models import Stage
from transcription.webhooks import endpoints
from transcription.webhooks.models import Attempt, Delivery, Endpoint, Event

LEASE = timedelta(seconds=60)
BACKOFF = leases.Backoff((5, 60, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400))
"""Eleven attempts within 75 hours, give or take the jitter."""
LONGEST_HOLD_SECONDS = 300.0
FAILING_FOR = timedelta(days=3)
SHORTEST_SERIES = timedelta(seconds=sum(BACKOFF.delays) * (1 - BACKOFF.jitter))
"""The least time in which a delivery can run out of attempts."""
KEPT = timedelta(days=30)
DELETED_KEPT = timedelta(hours=1)
MOST_LOOKED_AT = 500
BATCH = 500


@dataclass(frozen=True)
class DueEndpoint:
    """An endpoint with due deliveries."""

    tenant_id: UUID
    endpoint_id: UUID
    is_failing: bool


@dataclass(frozen=True)
class Outcome:
    """What came of an attempt. `status` is None without an answer; `error` is a code (see `failures`) or empty."""

    started_at: datetime
    seconds: float
    status: int | None = None
    error: str = ""
    response: str = ""
    retry_after: int = 0

    @property
    def is_success(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def due_endpoints() -> list[DueEndpoint]:
    """Returns endpoints with due deliveries, the longest waiting first, failing ones after the others."""
    with scope.across_tenants("deliveries of every tenant are due"):
        due = _due().filter(endpoint=OuterRef("pk"))
        rows = Endpoint.objects.filter(
            Exists(due), paused_at=None, deleted_at=None, not_before__lte=Now(), tenant__is_active=True
        )
        rows = rows.annotate(first=Subquery(due.order_by("next_attempt_at").values("next_attempt_at")[:1]))
        rows = rows.annotate(is_failing=Case(When(failures__gt=0, then=True), default=False))
        values = rows.order_by("is_failing", "first", "id").values_list("tenant_id", "id", "is_failing")
        due_now = [DueEndpoint(*found) for found in values[:MOST_LOOKED_AT]]
    return [] if due_now and outbound_hold.is_on() else due_now


def seconds_late() -> float:
    """Returns for how long a delivery could have been sent, of those whose receivers answer; 0 if none is due."""
    with scope.across_tenants("deliveries of every tenant are due"):
        answering = {"endpoint__paused_at": None, "endpoint__deleted_at": None, "endpoint__failures": 0}
        rows = _due().filter(**answering, tenant__is_active=True).order_by()
        since = Greatest("next_attempt_at", "endpoint__not_before")
        first: datetime | None = rows.aggregate(first=Min(since))["first"]
    return max(0.0, (database_clock.now() - first).total_seconds()) if first else 0.0


def claim(endpoint: DueEndpoint, limit: int) -> list[Claim]:
    """Claims up to `limit` due deliveries of an endpoint, each under a lease of its own."""
    with scope.bound(endpoint.tenant_id):
        due = _due().filter(endpoint_id=endpoint.endpoint_id).order_by("next_attempt_at", "id").select_related("event")
        won = [leases.claim(_due(), row, next_attempt_at=Now() + LEASE) for row in due[:limit]]
        return [claim for claim in won if claim is not None]


def load(claim: Claim) -> Delivery | None:
    """Returns the delivery with its event and endpoint; None if it is not to be sent any more."""
    rows = _held(claim).filter(endpoint__paused_at=None, endpoint__deleted_at=None)
    return rows.select_related("event", "endpoint").first()


def finish(claim: Claim, outcome: Outcome) -> bool:
    """Writes what came of an attempt. Returns False if the claim was lost."""
    with scope.bound(claim.tenant_id), transaction.atomic():
        row = _held(claim).select_for_update().first()
        if row is None:
            return False
        Attempt.objects.create(
            tenant_id=claim.tenant_id,
            delivery=row,
            started_at=outcome.started_at,
            seconds=outcome.seconds,
            status=outcome.status,
            error=outcome.error,
            response=outcome.response,
        )
        if outcome.is_success:
            _succeed(row, outcome)
        else:
            _fail(row, outcome)
        return True


def _succeed(row: Delivery, outcome: Outcome) -> None:
    _close(row, Delivery.State.DELIVERED, outcome)
    if row.attempts.count() == row.attempts_made + 1:  # more, where it was replayed
        now = database_clock.now()
        stage_times.count({Stage.DELIVER: (now - row.created_at).total_seconds()}, now)
    Endpoint.objects.filter(id=row.endpoint_id, failures__gt=0).update(failures=0, failing_since=None, not_before=Now())


def _fail(row: Delivery, outcome: Outcome) -> None:
    """Schedules another attempt. After the last one, fails the delivery unless its endpoint is paused instead."""
    made = row.attempts_made + 1
    ran_out = made > len(BACKOFF.delays)
    if not _hold(row.endpoint_id, outcome, ran_out) and ran_out:
        _close(row, Delivery.State.FAILED, outcome)
        return
    Delivery.objects.filter(id=row.id).update(
        attempts_made=made,
        next_attempt_at=Now() + timedelta(seconds=max(BACKOFF.after(made), outcome.retry_after)),
        last_status=outcome.status,
        last_error=outcome.error,
    )


def _hold(endpoint_id: UUID, outcome: Outcome, ran_out: bool) -> bool:
    """Delays all deliveries of a failing endpoint, or pauses it. Returns True if it is paused."""
    now = database_clock.now()
    rows = Endpoint.objects.filter(id=endpoint_id)
    endpoint = rows.select_for_update(no_key=True).get()
    if endpoint.not_before <= now:  # else this delivery was under way when the endpoint was delayed
        seconds = max(min(BACKOFF.after(endpoint.failures + 1), LONGEST_HOLD_SECONDS), outcome.retry_after)
        rows.update(
            failures=F("failures") + 1,
            failing_since=Coalesce("failing_since", now),
            not_before=now + timedelta(seconds=seconds),
        )
    if outcome.status == 410:
        endpoints.pause_because(endpoint.id, Endpoint.Pause.GONE)
        return True
    long = SHORTEST_SERIES if ran_out else FAILING_FOR
    if endpoint.failing_since is None or endpoint.failing_since > now - long:
        return False
    endpoints.pause_because(endpoint.id, Endpoint.Pause.FAILING)
    return True


def _close(row: Delivery, state: str, outcome: Outcome) -> None:
    Delivery.objects.filter(id=row.id).update(
        state=state,
        attempts_made=F("attempts_made") + 1,
        finished_at=Now(),
        last_status=outcome.status,
        last_error=outcome.error,
    )


def _due() -> QuerySet[Delivery]:
    return Delivery.objects.filter(state=Delivery.State.PENDING, next_attempt_at__lte=Now())


DUE = Lookout(
    lambda: _due().filter(
        endpoint__paused_at=None,
        endpoint__deleted_at=None,
        endpoint__not_before__lte=Now(),
        tenant__is_active=True,
    )
)


def _held(claim: Claim) -> QuerySet[Delivery]:
    return leases.claimed(Delivery.objects.filter(state=Delivery.State.PENDING), claim)


def log_of(actor: Actor, endpoint_id: UUID, state: str = "") -> QuerySet[Delivery]:
    """Selects the deliveries of an endpoint with their events, the newest first. Raises Http404."""
    endpoint = endpoints.get(actor, endpoint_id)
    rows = Delivery.objects.filter(endpoint=endpoint).select_related("event").order_by("-created_at", "-id")
    return rows.filter(state=state) if state else rows


def get(actor: Actor, endpoint_id: UUID, delivery_id: UUID) -> Delivery:
    """Returns a delivery with its event and attempts. Raises Http404."""
    rows = log_of(actor, endpoint_id).prefetch_related("attempts")
    return first_or_404(rows.filter(id=delivery_id), _("There is no such delivery."))


def replay(actor: Actor, endpoint_id: UUID, delivery_id: UUID) -> Delivery:
    """Makes a delivery due now, under the same id and with all attempts. Raises Http404 and Refused."""
    endpoints.running(actor, endpoint_id)
    row = get(actor, endpoint_id, delivery_id)
    again = {"attempts_made": 0, "next_attempt_at": Now(), "finished_at": None}
    Delivery.objects.filter(id=row.id).update(state=Delivery.State.PENDING, fence=F("fence") + 1, **again)
    Endpoint.objects.filter(id=endpoint_id).update(not_before=Now())
    return get(actor, endpoint_id, delivery_id)


def counts() -> dict[str, int]:
    """Returns how many deliveries of all tenants wait, and how many failed, for the metrics."""
    open_states = (Delivery.State.PENDING, Delivery.State.FAILED)
    with scope.across_tenants("the installation is counted as a whole"):
        rows = Delivery.objects.exclude(state=Delivery.State.DELIVERED).order_by()
        return {state.value: 0 for state in open_states} | dict(rows.values_list("state").annotate(n=Count("id")))


def forget_old() -> int:
    """Deletes events after 30 days with their deliveries and log, and deleted endpoints. Returns how many rows."""
    now = timezone.now()
    with scope.across_tenants("the sweeper serves every tenant"):
        gone = Endpoint.objects.filter(deleted_at__lt=now - DELETED_KEPT)
        orphans = Delivery.objects.filter(endpoint__in=gone)
        old = Event.objects.filter(created_at__lt=now - KEPT)
        return _in_batches(orphans) + _in_batches(gone) + _in_batches(old)


def _in_batches(rows: QuerySet[Any]) -> int:
    """Deletes BATCH rows in a transaction, with what refers to them. Returns how many rows in all."""
    count = 0
    while ids := list(rows.order_by().values_list("id", flat=True)[:BATCH]):
        count += rows.filter(id__in=ids).delete()[0]
    return count

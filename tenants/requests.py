"""Requests a minute, for each tenant, as a leaky bucket: a full minute's worth at once, then as they leak away.

The bucket is one number, the moment when it will have run dry. A request pours a minute's share into it, so the
moment moves on by 60 s / limit; one that would move it past a minute from now spills over and is refused. Asking
and pouring are one guarded UPDATE, so two that race can't both take the last place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from django.db.models import F, Value
from django.db.models.functions import Greatest
from django.utils import timezone

from tenants.models import RequestBudget, Tenant

WINDOW_SECONDS = 60.0
SLACK_SECONDS = 0.01


@dataclass(eq=False)
class TooManyRequests(Exception):
    """The `limit` requests of a minute are used up; the next one may come in `retry_after` seconds."""

    retry_after: float
    limit: int

    @property
    def whole_seconds(self) -> int:
        """For `Retry-After`."""
        return max(1, math.ceil(self.retry_after))


def take(tenant: Tenant, now: float | None = None) -> None:
    """Counts one request. `now` is Unix time in seconds, the clock's without it. Raises TooManyRequests."""
    moment = timezone.now().timestamp() if now is None else now
    limit = max(1, tenant.quota.requests_per_minute)
    if _pour(tenant, moment, limit):
        return
    budget = RequestBudget.objects.filter(tenant=tenant).first()
    if budget is None:
        RequestBudget.objects.bulk_create([RequestBudget(tenant=tenant)], ignore_conflicts=True)
    if budget is None or _room_at(budget, limit) <= moment:  # a tenant's first requests make the row in a race
        if _pour(tenant, moment, limit):
            return
        budget = RequestBudget.objects.get(tenant=tenant)
    raise TooManyRequests(retry_after=max(0.0, _room_at(budget, limit) - moment), limit=limit)


def _room_at(budget: RequestBudget, limit: int) -> float:
    """When the next request may come, in seconds of Unix time."""
    return budget.empty_at - WINDOW_SECONDS + WINDOW_SECONDS / limit


def _pour(tenant: Tenant, now: float, limit: int) -> bool:
    """With a little slack, since seconds of Unix time in a float add up only nearly."""
    share = WINDOW_SECONDS / limit
    latest = now + WINDOW_SECONDS - share + min(share / 2, SLACK_SECONDS)
    room = RequestBudget.objects.filter(tenant=tenant, empty_at__lte=latest)
    return room.update(empty_at=Greatest(F("empty_at"), Value(now)) + share) == 1

"""Requests a minute, for each tenant, as a leaky bucket: a full minute's worth at once, then as they leak away.

The bucket is one number, the moment when it will have run dry. A request pours a minute's share into it, so the
moment moves on by 60 s / limit; one that would move it past a minute from now spills over and is refused. Asking
and pouring are one guarded UPDATE, so two that race can't both take the last place; it returns where the bucket
stands, so that every answer can say so without another query.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from django.db import connection

from tenants import database_clock
from tenants.models import RequestBudget, Tenant

WINDOW_SECONDS = 60.0
SLACK_SECONDS = 0.01
POUR = """
    UPDATE tenants_requestbudget
    SET empty_at = (CASE WHEN empty_at > {now} THEN empty_at ELSE {now} END) + %s
    WHERE tenant_id = %s AND empty_at <= {now} + %s
    RETURNING empty_at, {now}
"""


@dataclass(frozen=True)
class Allowance:
    """How much of a minute's `limit` is left: `remaining` requests now, all of them in `full_after` seconds."""

    limit: int
    remaining: int
    full_after: float


@dataclass(eq=False)
class TooManyRequests(Exception):
    """The `limit` requests of a minute are used up; the next one may come in `retry_after` seconds."""

    retry_after: float
    limit: int
    full_after: float = WINDOW_SECONDS

    @property
    def whole_seconds(self) -> int:
        """For `Retry-After`."""
        return max(1, math.ceil(self.retry_after))

    @property
    def allowance(self) -> Allowance:
        return Allowance(self.limit, 0, self.full_after)


def take(tenant: Tenant, now: float | None = None) -> Allowance:
    """Counts one request. `now` is Unix time in seconds, the database's without it. Raises TooManyRequests."""
    limit = max(1, tenant.quota.requests_per_minute)
    if (room := _pour(tenant, now, limit)) is not None:
        return room
    moment = database_clock.now().timestamp() if now is None else now
    budget = RequestBudget.objects.filter(tenant=tenant).first()
    if budget is None:
        RequestBudget.objects.bulk_create([RequestBudget(tenant=tenant)], ignore_conflicts=True)
    if budget is None or _room_at(budget, limit) <= moment:  # a tenant's first requests make the row in a race
        if (room := _pour(tenant, now, limit)) is not None:
            return room
        budget = RequestBudget.objects.get(tenant=tenant)
    room_at = _room_at(budget, limit)
    raise TooManyRequests(max(0.0, room_at - moment), limit, max(0.0, budget.empty_at - moment))


def _room_at(budget: RequestBudget, limit: int) -> float:
    """When the next request may come, in seconds of Unix time."""
    return budget.empty_at - WINDOW_SECONDS + WINDOW_SECONDS / limit


def _pour(tenant: Tenant, now: float | None, limit: int) -> Allowance | None:
    """None where there is no room. With a little slack: seconds of Unix time in a float add up only nearly."""
    share = WINDOW_SECONDS / limit
    latest = WINDOW_SECONDS - share + _slack(share)
    tenant_id = RequestBudget._meta.pk.get_db_prep_value(tenant.id, connection)
    moment = database_clock.unix_seconds_sql() if now is None else repr(float(now))
    with connection.cursor() as cursor:
        cursor.execute(POUR.format(now=moment), [share, tenant_id, latest])
        poured = cursor.fetchall()
    return _room(float(poured[0][0]), float(poured[0][1]), limit) if poured else None


def _room(empty_at: float, now: float, limit: int) -> Allowance:
    share = WINDOW_SECONDS / limit
    full_after = max(0.0, empty_at - now)
    remaining = math.floor((WINDOW_SECONDS - full_after + _slack(share)) / share)
    return Allowance(limit, min(limit, max(0, remaining)), full_after)


def _slack(share: float) -> float:
    return min(share / 2, SLACK_SECONDS)

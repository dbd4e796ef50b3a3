"""The rate limit of each tenant, as a leaky bucket: a minute's requests at once, then one every 60 s / limit.

The bucket is one number, `empty_at`: the time when it will be empty. A request moves it by 60 s / limit; a request
that would move it more than a minute ahead is refused. One conditional UPDATE checks and counts, so two concurrent
requests can't both take the last one; it returns the new state, which responses report without another query.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from django.db import connection

from tenants import database_clock
from tenants.models import RequestBudget, Tenant

WINDOW_SECONDS = 60.0
SLACK_SECONDS = 0.01
TAKE_SQL = """
    UPDATE tenants_requestbudget
    SET empty_at = (CASE WHEN empty_at > {now} THEN empty_at ELSE {now} END) + %s
    WHERE tenant_id = %s AND empty_at <= {now} + %s
    RETURNING empty_at, {now}
"""


@dataclass(frozen=True)
class Allowance:
    """What is left of a minute's `limit`: `remaining` requests now, all of them after `full_after` seconds."""

    limit: int
    remaining: int
    full_after: float


@dataclass(eq=False)
class TooManyRequests(Exception):
    """The `limit` requests of a minute are used up; the next one is allowed after `retry_after` seconds."""

    retry_after: float
    limit: int
    full_after: float = WINDOW_SECONDS

    @property
    def whole_seconds(self) -> int:
        """The value of `Retry-After`."""
        return max(1, math.ceil(self.retry_after))

    @property
    def allowance(self) -> Allowance:
        return Allowance(self.limit, 0, self.full_after)


def take(tenant: Tenant, now: float | None = None) -> Allowance:
    """Counts one request. `now` is Unix time in seconds, by default the database's. Raises TooManyRequests."""
    limit = max(1, tenant.quota.requests_per_minute)
    if (allowance := _take(tenant, now, limit)) is not None:
        return allowance
    moment = database_clock.now().timestamp() if now is None else now
    budget = RequestBudget.objects.filter(tenant=tenant).first()
    if budget is None:
        RequestBudget.objects.bulk_create([RequestBudget(tenant=tenant)], ignore_conflicts=True)
    if budget is None or _allowed_at(budget, limit) <= moment:  # a tenant's first requests make the row in a race
        if (allowance := _take(tenant, now, limit)) is not None:
            return allowance
        budget = RequestBudget.objects.get(tenant=tenant)
    allowed_at = _allowed_at(budget, limit)
    raise TooManyRequests(max(0.0, allowed_at - moment), limit, max(0.0, budget.empty_at - moment))


def _allowed_at(budget: RequestBudget, limit: int) -> float:
    """Returns the Unix time from which the next request is allowed."""
    return budget.empty_at - WINDOW_SECONDS + WINDOW_SECONDS / limit


def _take(tenant: Tenant, now: float | None, limit: int) -> Allowance | None:
    """Returns None if the limit is reached. The slack tolerates the rounding of Unix times in floats."""
    share = WINDOW_SECONDS / limit
    latest = WINDOW_SECONDS - share + _slack(share)
    tenant_id = RequestBudget._meta.pk.get_db_prep_value(tenant.id, connection)
    moment = database_clock.unix_seconds_sql() if now is None else repr(float(now))
    with connection.cursor() as cursor:
        cursor.execute(TAKE_SQL.format(now=moment), [share, tenant_id, latest])
        rows = cursor.fetchall()
    return _allowance(float(rows[0][0]), float(rows[0][1]), limit) if rows else None


def _allowance(empty_at: float, now: float, limit: int) -> Allowance:
    share = WINDOW_SECONDS / limit
    full_after = max(0.0, empty_at - now)
    remaining = math.floor((WINDOW_SECONDS - full_after + _slack(share)) / share)
    return Allowance(limit, min(limit, max(0, remaining)), full_after)


def _slack(share: float) -> float:
    return min(share / 2, SLACK_SECONDS)

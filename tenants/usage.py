"""A tenant's charged audio seconds of one month, from its ledger: by day, by member and by key."""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from typing import Any

from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.functions import TruncDate

from tenants.models import ApiKey, LedgerEntry, Tenant, UsageMonth, User
from tenants.quota import this_month

BATCH = 1000


@dataclass(frozen=True)
class DailyUsage:
    """Audio seconds charged on one UTC day."""

    day: date
    seconds: int


@dataclass(frozen=True)
class Consumer:
    """The charges of a member or a key; both are None if they were not recorded or have been deleted."""

    member: User | None
    key: ApiKey | None
    count: int
    seconds: int


def months(tenant: Tenant) -> list[date]:
    """Returns the first days of the months with usage, newest first; always including this month."""
    kept = UsageMonth.objects.filter(tenant=tenant).values_list("month", flat=True)
    return sorted({this_month(), *kept}, reverse=True)


def entries(tenant: Tenant, month: date | None = None) -> QuerySet[LedgerEntry]:
    """Returns the ledger, or one month of it, newest first."""
    rows = LedgerEntry.objects.filter(tenant=tenant).select_related("user", "api_key", "month")
    return rows.filter(month__month=month) if month else rows


def by_day(tenant: Tenant, month: date) -> list[DailyUsage]:
    """Returns every day of a month, including days without charges.

    Charges of the month's reservations after its end count on its last day, so that the days add up to the month.
    """
    last = month.replace(day=calendar.monthrange(month.year, month.month)[1])
    totals = [0] * last.day
    rows = entries(tenant, month).order_by().annotate(day=TruncDate("created_at", tzinfo=UTC)).values("day")
    for row in rows.annotate(total=Sum("seconds")):
        totals[min(row["day"], last).day - 1] += row["total"]
    return [DailyUsage(month + timedelta(days=number), seconds) for number, seconds in enumerate(totals)]


def by_member(tenant: Tenant, month: date) -> list[Consumer]:
    """Returns the charges without a key by member, largest first; last those of unknown members."""
    rows = _grouped(tenant, month, "user_id", Q(api_key=None))
    people = User.objects.in_bulk({row["user_id"] for row in rows} - {None})
    consumers = [Consumer(people.get(row["user_id"]), None, row["count"], row["total"]) for row in rows]
    return sorted(consumers, key=lambda consumer: consumer.member is None)


def by_key(tenant: Tenant, month: date) -> list[Consumer]:
    """Returns the charges by API key, largest first."""
    rows = _grouped(tenant, month, "api_key_id", Q(api_key__isnull=False))
    keys = ApiKey.objects.in_bulk({row["api_key_id"] for row in rows})
    return [Consumer(None, keys.get(row["api_key_id"]), row["count"], row["total"]) for row in rows]


def batches(rows: QuerySet[LedgerEntry]) -> Iterator[list[LedgerEntry]]:
    """Yields entries oldest first, BATCH at a time, each batch by its own query."""
    rows = rows.order_by("created_at", "id")
    batch = list(rows[:BATCH])
    while batch:
        yield batch
        last = batch[-1]
        after = Q(created_at__gt=last.created_at) | Q(id__gt=last.id)
        batch = list(rows.filter(after, created_at__gte=last.created_at)[:BATCH])


def _grouped(tenant: Tenant, month: date, field: str, which: Q) -> list[dict[str, Any]]:
    rows = entries(tenant, month).filter(which).order_by().values(field)
    return list(rows.annotate(count=Count("id"), total=Sum("seconds")).order_by("-total", field))

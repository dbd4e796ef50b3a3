"""Compares the usage counters with the rows that they count."""

from __future__ import annotations

from django.db.models import BigIntegerField, F, Model, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from tenants import scope
from tenants.discrepancies import Discrepancy, Kind
from tenants.models import LedgerEntry, Reservation, UsageMonth

MAX_REPORTED = 200


def discrepancies() -> list[Discrepancy]:
    """Returns the months whose counters differ from the sums of their ledger or held reservations, up to MAX_REPORTED.

    Counters and rows change in the same transaction, and one statement reads one snapshot, so no lock is needed.
    """
    with scope.across_tenants("every account is compared"):
        rows = UsageMonth.objects.order_by("tenant_id", "month").annotate(
            charged=total(LedgerEntry.objects.filter(month=OuterRef("pk")), "month", "seconds"),
            held=total(
                Reservation.objects.filter(month=OuterRef("pk"), state=Reservation.State.HELD), "month", "seconds"
            ),
        )
        wrong = rows.exclude(used_seconds=F("charged"), reserved_seconds=F("held"))
        values = wrong.values_list("tenant_id", "month", "used_seconds", "charged", "reserved_seconds", "held")
        reported = [
            Discrepancy(tenant_id, kind, expected, counter, month)
            for tenant_id, month, used, charged, reserved, held in values[:MAX_REPORTED]
            for kind, expected, counter in (
                (Kind.USED_SECONDS, charged, used),
                (Kind.RESERVED_SECONDS, held, reserved),
            )
            if expected != counter
        ]
    return reported[:MAX_REPORTED]


def total(rows: QuerySet[Model], group: str, field: str) -> Coalesce:
    """Returns the sum of a field over the rows that refer to the outer row through `group`; 0 without rows."""
    sums = rows.order_by().values(group).annotate(total=Sum(field)).values("total")
    return Coalesce(Subquery(sums, output_field=BigIntegerField()), 0)

"""Whether the counters agree with the rows they count."""

from __future__ import annotations

from django.db.models import BigIntegerField, F, Model, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from tenants import scope
from tenants.discrepancies import Discrepancy, Kind
from tenants.models import LedgerEntry, Reservation, UsageMonth

MOST_TOLD = 200


def check() -> list[Discrepancy]:
    """Months whose seconds are not the sum of their ledger, or of their held reservations; MOST_TOLD at most.

    Who moves a counter moves its rows in the same transaction, and one statement sees one moment: it needs no lock
    to find both as they belong together, and holds up nobody.
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
        found = [
            Discrepancy(tenant_id, kind, expected, counter, month)
            for tenant_id, month, used, charged, reserved, held in values[:MOST_TOLD]
            for kind, expected, counter in (
                (Kind.USED_SECONDS, charged, used),
                (Kind.RESERVED_SECONDS, held, reserved),
            )
            if expected != counter
        ]
    return found[:MOST_TOLD]


def total(rows: QuerySet[Model], group: str, field: str) -> Coalesce:
    """The sum of a field over rows that refer to the outer one through `group`; 0 where there are none."""
    sums = rows.order_by().values(group).annotate(total=Sum(field)).values("total")
    return Coalesce(Subquery(sums, output_field=BigIntegerField()), 0)

"""What tenants have to do and have used, for /metrics: of each figure the METRICS_TENANTS tenants with the most of it.

Others are added up as `other`, so that the number of time series doesn't grow with that of tenants.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db.models import Count, F, FloatField, Min, QuerySet
from django.db.models.functions import Cast, NullIf

from portal.ops.figures import DAY
from tenants import quota
from tenants.models import Tenant, UsageMonth
from tenants.refusals import OTHER, label_of
from transcription.models import Status, Transcription

CAUSES = ("engine", "decoder", "storage", "internal", "abandoned", "lost_worker")
"""Why transcriptions fail by no fault of theirs: 0 is told of them, too."""

By = dict[str, float]


@dataclass(frozen=True)
class TenantFigures:
    """Figures by a tenant's label; `failed` by label and cause. Of `share` there is no `other`."""

    waiting: By
    running: By
    oldest: By
    share: By
    failed: dict[tuple[str, str], float]


def read(now: datetime) -> TenantFigures:
    """Reads the figures by four queries, and one for names. Call across tenants."""
    waiting, oldest = _waiting(now)
    running = _running()
    limit = NullIf(Cast("tenant__quota__monthly_seconds", FloatField()), 0.0)
    shares = _months(now).annotate(share=(F("used_seconds") + F("reserved_seconds")) / limit).filter(share__gt=0)
    share = _most(shares.order_by("-share", "tenant_id").values_list("tenant_id", "share"))
    failed = _failed(now)
    labels = _labels({*waiting, *oldest, *running, *share, *(tenant for tenant, _cause in failed)})
    causes = dict.fromkeys(((OTHER, cause) for cause in CAUSES), 0.0)
    for (tenant, cause), count in failed.items():
        causes[labels[tenant], cause] = causes.get((labels[tenant], cause), 0.0) + count

    def by_label(found: dict[UUID | None, float]) -> By:
        return {labels[tenant]: value for tenant, value in found.items()}

    return TenantFigures(
        waiting=by_label(waiting),
        running=by_label(running),
        oldest=by_label(oldest),
        share=by_label(share),
        failed=causes,
    )


def used(now: datetime) -> By:
    """Reads what was charged this month, in seconds. Counters are read anew each time: what is kept could fall."""
    rows = _months(now).filter(used_seconds__gt=0).order_by("-used_seconds", "tenant_id")
    found = _most(rows.values_list("tenant_id", "used_seconds"))
    labels = _labels({*found})
    return {labels[tenant]: value for tenant, value in found.items()}


def _months(now: datetime) -> QuerySet[UsageMonth]:
    return UsageMonth.objects.filter(month=quota.this_month(now)).order_by()


def _waiting(now: datetime) -> tuple[dict[UUID | None, float], dict[UUID | None, float]]:
    """Returns how many wait by tenant, and for how long the first."""
    rows = Transcription.objects.filter(status=Status.QUEUED).order_by().values_list("tenant_id")
    found = list(rows.annotate(n=Count("id"), oldest=Min("created_at")))
    waits = ((tenant, max(0.0, (now - oldest).total_seconds())) for tenant, _count, oldest in found)
    return _bounded(((tenant, count) for tenant, count, _oldest in found), sum), _bounded(waits, max)


def _running() -> dict[UUID | None, float]:
    rows = Transcription.objects.filter(status=Status.RUNNING).order_by().values_list("tenant_id")
    return _bounded(rows.annotate(n=Count("id")), sum)


def _failed(now: datetime) -> dict[tuple[UUID | None, str], float]:
    """Returns how many failed in the last day by tenant and cause."""
    rows = Transcription.objects.filter(status=Status.FAILED, finished_at__gte=now - DAY).order_by()
    found = list(rows.values_list("tenant_id", "error_code").annotate(n=Count("id")))
    counts: dict[UUID, float] = defaultdict(float)
    for tenant, _cause, count in found:
        counts[tenant] += count
    kept = _bounded(counts.items(), sum)
    failed: dict[tuple[UUID | None, str], float] = defaultdict(float)
    for tenant, cause, count in found:
        failed[tenant if tenant in kept else None, cause] += count
    return failed


def _most(rows: Sequence[tuple[UUID, float]] | QuerySet[UsageMonth, tuple[UUID, float]]) -> dict[UUID | None, float]:
    return dict(rows[: settings.METRICS_TENANTS])


def _bounded(found: Iterable[tuple[UUID, float]], together: Callable[[list[float]], float]) -> dict[UUID | None, float]:
    """Keeps the largest, and puts the others together, as None's."""
    ordered = sorted(found, key=lambda one: (-one[1], one[0]))
    most, others = ordered[: settings.METRICS_TENANTS], ordered[settings.METRICS_TENANTS :]
    return {**dict(most), None: together([0.0, *(value for _tenant, value in others)])}


def _labels(tenants: set[UUID | None]) -> dict[UUID | None, str]:
    ids = tenants - {None}
    names = Tenant.objects.in_bulk(ids) if settings.METRICS_TENANT_NAMES else {}
    labels: dict[UUID | None, str] = {None: OTHER}
    for one in ids:
        if one is not None:
            labels[one] = label_of(one, names[one].name if one in names else "")
    return labels

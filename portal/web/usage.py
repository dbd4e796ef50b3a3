"""The page of an organisation's usage."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from portal import charts
from portal.web.access import TenantRequest, member_required
from portal.web.months import requested_month
from tenants import quota
from tenants import usage as charges
from transcription.library import charges as ledger
from transcription.models import Status, Transcription

ON_A_PAGE = 25


@require_GET
@member_required("usage.view")
def usage(request: TenantRequest) -> HttpResponse:
    """Shows this month's usage, and the charges of the requested month, by default this one."""
    tenant = request.actor.tenant
    month = requested_month(request) or quota.this_month()
    days = charges.by_day(tenant, month)
    chart = charts.bars([day.seconds for day in days])
    context = {
        "running": Transcription.objects.filter(tenant=tenant, status=Status.RUNNING).count(),
        "month": month,
        "months": sorted({month, *charges.months(tenant)}, reverse=True),
        "days": days,
        "charged": sum(day.seconds for day in days),
        "chart": chart,
        "bars": list(zip(chart.bars, days, strict=True)),
        "members": charges.by_member(tenant, month),
        "keys": charges.by_key(tenant, month),
        "ledger": Paginator(ledger.entries(request.actor, month), ON_A_PAGE).get_page(request.GET.get("page")),
        "section": "usage",
    }
    return render(request, "web/usage.html", context)

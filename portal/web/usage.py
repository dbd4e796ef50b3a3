"""How much of the quota is gone, and what it went on."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from tenants import quota
from tenants.access import TenantRequest, member_required
from tenants.models import LedgerEntry
from transcription.models import Status, Transcription

ON_A_PAGE = 25


@require_GET
@never_cache
@member_required("usage.view")
def usage(request: TenantRequest) -> HttpResponse:
    tenant = request.actor.tenant
    ledger = LedgerEntry.objects.filter(tenant=tenant)
    shown = {
        "standing": quota.standing(tenant),
        "running": Transcription.objects.filter(tenant=tenant, status=Status.RUNNING).count(),
        "ledger": Paginator(ledger, ON_A_PAGE).get_page(request.GET.get("page")),
        "section": "usage",
    }
    return render(request, "web/usage.html", shown)

"""The operations page of the admin: the current state of engines, queue and latency."""

from __future__ import annotations

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from portal import charts, health
from portal.ops import figures
from tenants import discrepancies

PERMISSION = "transcription.view_operations"


@never_cache
def operations(request: HttpRequest) -> HttpResponse:
    """Renders the page, or its changing part for its script. Raises PermissionDenied."""
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied(_("The operations page needs a permission that your account does not have."))
    now = figures.read()
    context = {
        "figures": now,
        "problems": health.examine().problems,
        "discrepancies": discrepancies.of_check(now.accounts),
        "chart": charts.bars(now.bars),
    }
    if request.headers.get("X-Requested-With") == "fetch":
        return render(request, "admin/_operations.html", context)
    frame = admin.site.each_context(request) | {"title": _("Operations")}
    return render(request, "admin/operations.html", frame | context)

"""The operations pages of the admin. Each is read again every few seconds by its script."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from portal import charts, health
from portal.ops import figures, latencies, waterfall
from tenants import discrepancies

PERMISSION = "transcription.view_operations"
View = Callable[..., HttpResponse]


def for_operators(view: View) -> View:
    """Lets only those see a page who may see the operations page. The view raises PermissionDenied."""

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.has_perm(PERMISSION):
            raise PermissionDenied(_("The operations page needs a permission that your account does not have."))
        return view(request, *args, **kwargs)

    return never_cache(checked)


@for_operators
def operations(request: HttpRequest) -> HttpResponse:
    """Renders the current state of engines, queue and latency."""
    now = figures.read()
    context = {
        "figures": now,
        "problems": health.examine().problems,
        "discrepancies": discrepancies.of_check(now.accounts),
        "chart": charts.bars(now.bars),
    }
    return _render(request, "operations", _("Operations"), context)


@for_operators
def latency(request: HttpRequest) -> HttpResponse:
    """Renders how long the stages take, over a period."""
    period = latencies.PERIODS.get(request.GET.get("period", ""), latencies.QUARTER)
    context = {"periods": latencies.PERIODS.values(), "latency": latencies.read(period)}
    return _render(request, "operations_latency", _("Latency by stage"), context)


@for_operators
def transcription(request: HttpRequest, transcription_id: UUID) -> HttpResponse:
    """Renders the waterfall of one transcription. Raises Http404."""
    context = {"waterfall": waterfall.read(transcription_id)}
    return _render(request, "operations_transcription", _("Why it took so long"), context)


def _render(request: HttpRequest, name: str, title: str, context: dict[str, Any]) -> HttpResponse:
    """Renders a page, or only its changing part for its script."""
    part = f"admin/_{name}.html"
    if request.headers.get("X-Requested-With") == "fetch":
        return render(request, part, context)
    frame = admin.site.each_context(request) | {"title": title, "part": part, "page": name}
    return render(request, "admin/operations.html", frame | context)

"""Saved views of the library: saved from it, and renamed and deleted on a page of their own."""

from __future__ import annotations

from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from portal.web.access import TenantRequest, by_method, member_required
from portal.web.forms import FilterForm
from tenants.access import Actor
from transcription.errors import InvalidOption
from transcription.folders.visibility import MANAGE
from transcription.library import saved_views as service
from transcription.models import SavedView
from transcription.models.saved_view import LONGEST_VIEW

members_only = member_required("recordings.view")


@members_only
def index(request: TenantRequest) -> HttpResponse:
    manages = request.actor.may(MANAGE)
    shown = [(row, address, manages or row.member_id is not None) for row, address in shown_to(request.actor)]
    return render(request, "web/views.html", {"shown": shown, "longest": LONGEST_VIEW, "section": "recordings"})


@members_only
def save(request: TenantRequest) -> HttpResponse:
    """Takes a name and the `query` of the library's address; `shared` gives it to everybody."""
    form = FilterForm(QueryDict(request.POST.get("query", "")[:2000].removeprefix("?")))
    query = {name: value for name in form.fields if (value := form.chosen(name))}
    try:
        shared = bool(request.POST.get("shared"))
        row, _is_new = service.save(request.actor, request.POST.get("name", ""), query, shared=shared)
    except InvalidOption as invalid:
        messages.error(request, str(invalid))
        return redirect(_address(query))
    messages.success(request, _("The view “%(name)s” was saved.") % {"name": row.name})
    return redirect(_address(query))


views = by_method(get=index, post=save)


@require_POST
@members_only
def rename(request: TenantRequest, view_id: UUID) -> HttpResponse:
    try:
        service.rename(request.actor, view_id, request.POST.get("name", ""))
    except InvalidOption as invalid:
        messages.error(request, str(invalid))
    else:
        messages.success(request, _("Saved."))
    return redirect("web:views")


@require_POST
@members_only
def delete(request: TenantRequest, view_id: UUID) -> HttpResponse:
    row = service.delete(request.actor, view_id)
    messages.success(request, _("The view “%(name)s” was deleted.") % {"name": row.name})
    return redirect("web:views")


def shown_to(actor: Actor) -> list[tuple[SavedView, str]]:
    """Returns the views with their addresses."""
    return [(row, _address(row.query)) for row in service.visible(actor)]


def _address(query: dict[str, str]) -> str:
    return f"{reverse('web:recordings')}?{urlencode(query)}"

"""The page of an organisation's default options."""

from __future__ import annotations

import logging

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from portal.web.access import TenantRequest, member_required
from portal.web.forms import PreferencesForm
from tenants import audit
from transcription.transcripts import terms

log = logging.getLogger(__name__)


@require_http_methods(["GET", "HEAD", "POST"])
def preferences(request: HttpRequest) -> HttpResponseBase:
    return change(request) if request.method == "POST" else index(request)


@never_cache
@member_required("preferences.manage")
def index(request: TenantRequest) -> HttpResponse:
    return _page(request, PreferencesForm(instance=request.actor.tenant))


@never_cache
@member_required("preferences.manage")
def change(request: TenantRequest) -> HttpResponse:
    form = PreferencesForm(request.POST, instance=request.actor.tenant)
    if not form.is_valid():
        return _page(request, form)
    with transaction.atomic():
        form.keep()
        terms.note_hotwords(request.actor.tenant.id)
        if form.changed_data:
            audit.record(request.actor, "preferences.changed", request.actor.tenant, fields=form.changed_data)
    log.info("The preferences of tenant %s were changed by %s", request.actor.tenant.id, request.user)
    messages.success(request, _("Saved. What is accepted from now on is transcribed this way."))
    return redirect("web:preferences")


def _page(request: TenantRequest, form: PreferencesForm) -> HttpResponse:
    return render(request, "web/preferences.html", {"form": form, "section": "preferences"})

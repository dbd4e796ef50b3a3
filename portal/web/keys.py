"""API keys: made, shown once, revoked."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from portal.web.forms import KeyForm
from tenants import apikeys
from tenants.access import TenantRequest, member_required
from tenants.models import ApiKey


@require_http_methods(["GET", "HEAD", "POST"])
def keys(request: HttpRequest) -> HttpResponseBase:
    return create(request) if request.method == "POST" else index(request)


@never_cache
@member_required("keys.manage")
def index(request: TenantRequest) -> HttpResponse:
    return _page(request, KeyForm())


@never_cache
@member_required("keys.manage")
def create(request: TenantRequest) -> HttpResponse:
    """Answers with the page itself: a redirect would have to store the secret somewhere."""
    form = KeyForm(request.POST)
    if not form.is_valid():
        return _page(request, form)
    key, secret = apikeys.issue(request.actor.tenant, form.cleaned_data["name"], request.user)
    return _page(request, KeyForm(), key, secret)


@require_POST
@member_required("keys.manage")
def revoke(request: TenantRequest, key_id: UUID) -> HttpResponse:
    if apikeys.revoke(request.actor, key_id):
        messages.success(request, _("The key was revoked. Programs that use it are refused from now on."))
    return redirect("web:keys")


def _page(request: TenantRequest, form: KeyForm, made: ApiKey | None = None, secret: str = "") -> HttpResponse:
    shown = {
        "keys": ApiKey.objects.filter(tenant=request.actor.tenant).select_related("created_by"),
        "form": form,
        "made": made,
        "secret": secret,
        "portal_url": settings.PORTAL_URL,
        "section": "keys",
    }
    return render(request, "web/keys.html", shown)

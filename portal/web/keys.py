"""The pages of API keys."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from portal.web.access import TenantRequest, by_method, member_required
from portal.web.key_forms import KeyChangeForm, KeyForm, RotationForm
from tenants import api_keys
from tenants.api_keys import InvalidKey, KeyConflict
from tenants.models import ApiKey, KeyScope
from transcription.errors import InvalidOption
from transcription.folders import of_keys

ON_A_PAGE = 50


@member_required("keys.manage")
def index(request: TenantRequest) -> HttpResponse:
    return _list(request, KeyForm())


@member_required("keys.manage")
def create(request: TenantRequest) -> HttpResponse:
    """Renders the page instead of redirecting, which would require storing the secret."""
    form = KeyForm(request.POST)
    if not form.is_valid():
        return _list(request, form)
    wanted = form.cleaned_data
    try:
        folders = of_keys.chosen(request.actor, form.folder_names or None)
        made, secret = api_keys.create(
            request.actor, wanted["name"], wanted["scope"] or KeyScope.WRITE, form.expires_at, form.networks, folders
        )
    except (InvalidKey, InvalidOption) as invalid:
        form.refuse(invalid)
        return _list(request, form)
    except KeyConflict as conflict:
        form.add_error(None, str(conflict))
        return _list(request, form)
    return _list(request, KeyForm(), made, secret)


keys = by_method(get=index, post=create)


@member_required("keys.manage")
def detail(request: TenantRequest, key_id: UUID) -> HttpResponse:
    api_key = api_keys.key(request.actor, key_id)
    return _page(request, api_key, KeyChangeForm.of(api_key))


@member_required("keys.manage")
def change(request: TenantRequest, key_id: UUID) -> HttpResponse:
    api_key = api_keys.key(request.actor, key_id)
    form = KeyChangeForm.of(api_key, request.POST)
    if not form.is_valid():
        return _page(request, api_key, form)
    try:
        api_keys.change(request.actor, key_id, form.changes(request.actor))
    except (InvalidKey, InvalidOption) as invalid:
        form.refuse(invalid)
        return _page(request, api_key, form)
    except KeyConflict as conflict:
        messages.error(request, str(conflict))
    else:
        messages.success(request, _("Saved."))
    return redirect("web:key", key_id)


key = by_method(get=detail, post=change)


@require_POST
@member_required("keys.manage")
def rotate(request: TenantRequest, key_id: UUID) -> HttpResponse:
    """Renders the page with the new secret, as `create` does."""
    api_keys.key(request.actor, key_id)
    form = RotationForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Choose how long the old secret is to work."))
        return redirect("web:key", key_id)
    try:
        api_key, secret = api_keys.rotate(request.actor, key_id, form.chosen)
    except KeyConflict as conflict:
        messages.error(request, str(conflict))
        return redirect("web:key", key_id)
    return _page(request, api_key, KeyChangeForm.of(api_key), secret)


@require_POST
@member_required("keys.manage")
def end_old_secret(request: TenantRequest, key_id: UUID) -> HttpResponse:
    if api_keys.end_old_secret(request.actor, key_id):
        messages.success(request, _("The old secret is refused from now on."))
    return redirect("web:key", key_id)


@require_POST
@member_required("keys.manage")
def keep(request: TenantRequest, key_id: UUID) -> HttpResponse:
    if api_keys.keep(request.actor, key_id):
        messages.success(request, _("The key goes on working, as your organisation’s."))
    return redirect("web:keys")


@require_POST
@member_required("keys.manage")
def revoke(request: TenantRequest, key_id: UUID) -> HttpResponse:
    if api_keys.revoke(request.actor, key_id):
        messages.success(request, _("The key was revoked. Programs that use it are refused from now on."))
    return redirect("web:keys")


def _list(request: TenantRequest, form: KeyForm, made: ApiKey | None = None, secret: str = "") -> HttpResponse:
    context = {
        "page": Paginator(api_keys.keys(request.actor), ON_A_PAGE).get_page(request.GET.get("page")),
        "form": form,
        "made": made,
        "secret": secret,
        "portal_url": settings.PORTAL_URL,
        "section": "keys",
    }
    return render(request, "web/keys.html", context)


def _page(request: TenantRequest, api_key: ApiKey, form: KeyChangeForm, secret: str = "") -> HttpResponse:
    context = {
        "key": api_key,
        "folders": of_keys.names(api_key),
        "form": form,
        "rotation": RotationForm(),
        "made": api_key,
        "secret": secret,
        "portal_url": settings.PORTAL_URL,
        "section": "keys",
    }
    return render(request, "web/key.html", context)

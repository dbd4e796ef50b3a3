"""The page on which owners make the tokens by which their directory comes in."""

from __future__ import annotations

from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from portal.web.access import TenantRequest, member_required
from portal.web.provider import themselves
from tenants import directory, newcomers
from tenants.identity_providers import PERMISSION
from tenants.members import MemberConflict

BASE = "/scim/v2"


class TokenForm(forms.Form):
    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=100,
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "Entra"}),
    )


@require_http_methods(["GET", "HEAD", "POST"])
@member_required(PERMISSION)
@themselves("web:directory")
def tokens(request: TenantRequest) -> HttpResponseBase:
    """Renders the page with a new token instead of redirecting, which would require storing it."""
    form, secret = TokenForm(request.POST if request.method == "POST" else None), ""
    if form.is_valid():
        try:
            _row, secret = directory.make_token(request.actor, form.cleaned_data["name"])
            form = TokenForm()
        except MemberConflict as conflict:
            form.add_error(None, str(conflict))
    context = {
        "form": form,
        "secret": secret,
        "tokens": directory.tokens(request.actor),
        "domains": newcomers.domains_of(request.actor.tenant),
        "address": f"{settings.PORTAL_URL}{BASE}",
        "section": "people",
    }
    return render(request, "web/directory.html", context)


@require_POST
@member_required(PERMISSION)
def revoke(request: TenantRequest, token_id: UUID) -> HttpResponse:
    directory.revoke_token(request.actor, token_id)
    messages.success(request, _("The token was revoked. The directory can’t come in with it any more."))
    return redirect("web:directory")

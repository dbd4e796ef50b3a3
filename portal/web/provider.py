"""The page on which owners say by which OpenID or SAML provider their people sign in."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import Any, cast
from urllib.parse import urlencode

from allauth.account.app_settings import REAUTHENTICATION_TIMEOUT
from allauth.account.authentication import get_authentication_records
from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from portal import saml
from portal.openid import discovery
from portal.openid.errors import ProviderFailure
from portal.provider_pages import entity_id, redirect_uri, service_provider
from portal.web.access import TenantRequest, member_required
from portal.web.provider_form import TESTS, ProviderForm
from tenants import identity_providers, newcomers
from tenants.models import IdentityProvider
from tenants.session_access import SAFE_METHODS, signed_by_of

OwnersView = Callable[[TenantRequest], HttpResponseBase]
SAVED_WITHIN = 1800
"""For so many seconds an owner may fill in the form."""


def themselves(page: str) -> Callable[[OwnersView], OwnersView]:
    """Wants owners to have shown lately that it is them, and none whom the provider itself has signed in.

    Then they are led to `page`. allauth would keep the form in the session meanwhile, with the client secret.
    """

    def decorate(view: OwnersView) -> OwnersView:
        @wraps(view)
        def guarded(request: TenantRequest) -> HttpResponseBase:
            identity_providers.require(request.actor)
            if signed_by_of(cast(Any, request.session)) is not None:
                return render(request, "account/elsewhere.html", status=403)
            shown = [
                one["at"] for one in get_authentication_records(request, request.user) if one.get("reauthenticated")
            ]
            longest = REAUTHENTICATION_TIMEOUT if request.method in SAFE_METHODS else SAVED_WITHIN
            if time.time() - max(shown, default=0) > longest:
                return redirect(f"{reverse('account_reauthenticate')}?{urlencode({'next': reverse(page)})}")
            return view(request)

        return guarded

    return decorate


@require_http_methods(["GET", "HEAD", "POST"])
@member_required(identity_providers.PERMISSION)
@themselves("web:provider")
def provider(request: TenantRequest) -> HttpResponseBase:
    row = identity_providers.provider_of(request.actor)
    form = ProviderForm(request.actor.tenant, row, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        identity_providers.keep(request.actor, form.wanted)
        messages.success(request, _("Saved."))
        return redirect("web:provider")
    begin = reverse("account_provider_begin", args=[request.actor.tenant.id])
    context = {
        "form": form,
        "kept": identity_providers.provider_of(request.actor),
        "domains": newcomers.domains_of(request.actor.tenant),
        "redirect_uri": redirect_uri(request.actor.tenant.id),
        "entity_id": entity_id(request.actor.tenant.id),
        "install": "" if saml.is_installed() else saml.INSTALL,
        "begin_uri": f"{settings.PORTAL_URL}{begin}",
        "section": "people",
    }
    return render(request, "web/provider.html", context)


@require_POST
@member_required(identity_providers.PERMISSION)
@themselves("web:provider")
def test(request: TenantRequest) -> HttpResponse:
    """Asks the provider for its addresses and keys now, and says what is wrong."""
    row = identity_providers.provider_of(request.actor)
    if row is None or not TESTS.take(str(request.actor.tenant.id)):
        none, often = _("Save the provider first."), _("Too many tests. Wait a minute.")
        messages.error(request, none if row is None else often)
        return redirect("web:provider")
    try:
        n = _keys_of(row)
    except ProviderFailure as failure:
        messages.error(request, str(failure))
    except identity_providers.SecretLost:
        messages.error(request, _("The client secret can’t be read any more: SECRET_KEY has changed. Enter it again."))
    else:
        text = ngettext("The provider answers, with %(n)d key.", "The provider answers, with %(n)d keys.", n)
        messages.success(request, text % {"n": n})
    return redirect("web:provider")


def _keys_of(row: IdentityProvider) -> int:
    """Returns how many keys the provider has. Raises ProviderFailure and SecretLost."""
    if row.is_saml:
        return len(service_provider(row).described(anew=True).certificates)
    identity_providers.secret_of(row)
    return len(discovery.keys_of(discovery.discover(row.issuer, anew=True), anew=True))


@require_POST
@member_required(identity_providers.PERMISSION)
@themselves("web:provider")
def remove(request: TenantRequest) -> HttpResponse:
    if identity_providers.provider_of(request.actor) is not None:
        identity_providers.remove(request.actor)
        messages.success(request, _("The provider was removed. Whoever signed in with it is signed out."))
    return redirect("web:people")

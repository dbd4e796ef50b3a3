"""Signing in with an organisation's OpenID provider: by an address of its domain, or by a link of the organisation."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any
from uuid import UUID

from allauth.account.internal.flows.login import perform_login, record_authentication
from allauth.account.models import Login
from allauth.account.utils import get_next_redirect_url
from django import forms
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from portal.openid import sign_in
from portal.openid.errors import ProviderFailure
from portal.openid.sign_in import Begun, Client
from tenants import addresses, identity_providers, provider_sign_ins
from tenants.access import SIGNED_BY, SignedBy
from tenants.identity_providers import SecretLost
from tenants.models import IdentityProvider
from tenants.newcomers import NewcomerRefused
from tenants.provider_sign_ins import Person
from tenants.throttle import Limit

SESSION_KEY = "provider_sign_in"
SECONDS = 900
"""For so long a sign-in may take at the provider."""

ASKED = Limit("organisations looked for from an address", 30, 300)
BEGUN = Limit("sign-ins with a provider from an address", 60, 300)


class AddressForm(forms.Form):
    email = forms.EmailField(
        label=gettext_lazy("E-mail address"),
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "email", "autofocus": True}),
    )


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def choose(request: HttpRequest) -> HttpResponse:
    """Leads from an address to the provider of its domain, by a link: forms may lead to no other site."""
    if not identity_providers.are_offered():
        raise Http404
    form = AddressForm(request.POST if request.method == "POST" else None)
    context: dict[str, Any] = {"form": form, "next": get_next_redirect_url(request) or ""}
    if form.is_valid():
        if not ASKED.take(addresses.site_of(addresses.of_request(request))):
            return render(request, "429.html", status=429)
        context["provider"] = identity_providers.of_address(form.cleaned_data["email"])
        if context["provider"] is None:
            form.add_error("email", _("No organisation here signs in people of this domain. Use your password."))
    return render(request, "account/provider.html", context)


@never_cache
@require_safe
def begin(request: HttpRequest, tenant_id: UUID) -> HttpResponseBase:
    """Sends the browser to the provider; who signs in there already comes back at once."""
    provider = _enabled(tenant_id)
    if request.user.is_authenticated:
        return redirect(get_next_redirect_url(request) or "web:home")
    if not BEGUN.take(addresses.site_of(addresses.of_request(request))):
        return render(request, "429.html", status=429)
    begun = Begun.new()
    try:
        there = sign_in.address(_client(provider), begun)
    except (ProviderFailure, SecretLost) as failure:
        return _refused(request, provider, failure)
    request.session[SESSION_KEY] = {
        **asdict(begun),
        "tenant": str(tenant_id),
        "at": time.time(),
        "next": get_next_redirect_url(request),
    }
    request.session.set_expiry(SECONDS)
    return redirect(there)


@never_cache
@require_safe
def back(request: HttpRequest, tenant_id: UUID) -> HttpResponseBase:
    """Signs in whom the provider has signed: with an answer to the sign-in of this very browser, taken once."""
    provider = _enabled(tenant_id)
    known = request.session.pop(SESSION_KEY, None) or {}
    if request.user.is_authenticated:
        return redirect("web:home")
    if known.get("tenant") != str(tenant_id) or time.time() - known["at"] > SECONDS:
        text = _("This sign-in was begun elsewhere, or too long ago. Begin again.")
        return _refused(request, provider, ProviderFailure("state", text))
    begun = Begun(known["state"], known["nonce"], known["verifier"])
    try:
        claims = sign_in.claims_of(_client(provider), begun, request.GET.dict(), provider.role_claim)
        person = Person.of_claims(claims, provider.role_claim)
        member = provider_sign_ins.member_of(provider, person, addresses.of_request(request))
    except (ProviderFailure, NewcomerRefused, SecretLost) as failure:
        return _refused(request, provider, failure)
    signed_by = SignedBy(tenant=str(tenant_id), factor=provider.counts_as_second_factor)
    record_authentication(request, member.user, method="provider")
    login = Login(
        user=member.user,
        redirect_url=known["next"],
        state={SIGNED_BY: signed_by},
        signal_kwargs={SIGNED_BY: signed_by},
    )
    answer: HttpResponseBase = perform_login(request, login)
    return answer


def redirect_uri(tenant_id: UUID) -> str:
    """Returns the address that the provider is to know, by PORTAL_URL: the request's Host is what the client claims."""
    return f"{settings.PORTAL_URL}{reverse('account_provider_back', args=[tenant_id])}"


def _enabled(tenant_id: UUID) -> IdentityProvider:
    provider = identity_providers.enabled(tenant_id)
    if provider is None:
        raise Http404
    return provider


def _client(provider: IdentityProvider) -> Client:
    """Raises SecretLost."""
    secret = identity_providers.secret_of(provider)
    return Client(provider.issuer, provider.client_id, secret, redirect_uri(provider.tenant_id))


def _refused(request: HttpRequest, provider: IdentityProvider, failure: Exception) -> HttpResponse:
    """Says why, and records it for the organisation's owners."""
    code = getattr(failure, "code", "secret")
    provider_sign_ins.record_refusal(provider, addresses.of_request(request), code)
    why = str(failure) or _(
        "The portal can’t read the secret for your provider any more: an owner has to enter it again."
    )
    return render(request, "account/provider_refused.html", {"provider": provider, "why": why}, status=403)

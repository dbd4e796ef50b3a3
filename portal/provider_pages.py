"""Signing in with an organisation's own provider: by an address of its domain, or by a link of the organisation."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from allauth.account.internal.flows.login import perform_login, record_authentication
from allauth.account.models import Login
from allauth.account.utils import get_next_redirect_url
from django import forms
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from portal.openid import sign_in
from portal.openid.errors import ProviderFailure
from portal.openid.sign_in import Begun, Client
from portal.saml import metadata as saml_metadata
from portal.saml import sign_in as saml_sign_in
from portal.saml.sign_in import ServiceProvider
from tenants import addresses, identity_providers, provider_sign_ins
from tenants.identity_providers import SecretLost
from tenants.models import IdentityProvider
from tenants.newcomers import NewcomerRefused
from tenants.provider_sign_ins import Person
from tenants.session_access import SIGNED_BY, SIGNED_UNTIL, SignedBy
from tenants.throttle import Limit

SESSION_KEY = "provider_sign_ins"
MOST_BEGUN = 5
"""In one browser at a time, as in several tabs."""

SECONDS = 900
"""For so long a sign-in may take at the provider."""

ASKED = Limit("organisations looked for from an address", 300, 300)
BEGUN = Limit("sign-ins with a provider from an address that came to nothing", 600, 300)
AGAIN = "again"
OF_SAML = ("SAMLResponse", "RelayState")
SHOWN = ("state", "denied", "provider", "token", "subject", "encrypted", "secret")
"""Failures of which everybody is told the reason; of others the owners, as it may tell of their network."""


class AddressForm(forms.Form):
    email = forms.EmailField(
        label=gettext_lazy("E-mail address"),
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "email", "autofocus": True}),
    )


@require_http_methods(["GET", "HEAD", "POST"])
def choose(request: HttpRequest) -> HttpResponse:
    """Leads from an address to the provider of its domain, by a link: forms may lead to no other site.

    It names the provider, and not whose it is: anybody may ask.
    """
    if not identity_providers.are_offered():
        raise Http404
    form = AddressForm(request.POST if request.method == "POST" else None)
    context: dict[str, Any] = {"form": form, "next": get_next_redirect_url(request) or ""}
    if form.is_valid():
        if not ASKED.take(addresses.site_of(addresses.of_request(request))):
            return render(request, "429.html", status=429)
        context["provider"] = identity_providers.of_address(form.cleaned_data["email"])
        if context["provider"] is not None:
            context["host"] = context["provider"].host
        else:
            form.add_error("email", _("No organisation here signs in people of this domain. Use your password."))
    return render(request, "account/provider.html", context)


@require_safe
def begin(request: HttpRequest, tenant_id: UUID) -> HttpResponseBase:
    """Sends the browser to the provider; who signs in there already comes back at once.

    Whoever comes from elsewhere is told first where it leads: another's link would sign them in to another's
    organisation, or lead anywhere.
    """
    provider = _enabled(tenant_id)
    if request.user.is_authenticated:
        return redirect(get_next_redirect_url(request) or "web:home")
    if not BEGUN.take(addresses.site_of(addresses.of_request(request))):
        return render(request, "429.html", status=429)
    begun = Begun.new()
    try:
        if provider.is_saml:
            there = saml_sign_in.address(service_provider(provider), begun)
        else:
            there = sign_in.address(_client(provider), begun)
    except (ProviderFailure, SecretLost) as failure:
        return _refused(request, provider, failure)
    wanted = get_next_redirect_url(request)
    if not _is_from_here(request):
        context = {"provider": provider, "host": urlsplit(there).hostname, "next": wanted or ""}
        return render(request, "account/provider_begin.html", context)
    known = {**asdict(begun), "tenant": str(tenant_id), "at": time.time(), "next": wanted}
    request.session[SESSION_KEY] = [*request.session.get(SESSION_KEY, []), known][-MOST_BEGUN:]
    request.session.set_expiry(SECONDS)
    return redirect(there)


@csrf_exempt  # a SAML provider's page posts; the answer's state is of this browser's session alone
@require_http_methods(["GET", "HEAD", "POST"])
def back(request: HttpRequest, tenant_id: UUID) -> HttpResponseBase:
    """Signs in whom the provider has signed: with an answer to the sign-in of this very browser, taken once.

    What another site posts comes without the session's cookie, so such an answer goes on by a page of the portal.
    """
    provider = _enabled(tenant_id)
    allowed = ("POST",) if provider.is_saml else ("GET", "HEAD")
    if request.method not in allowed:
        return HttpResponseNotAllowed(allowed)
    answered = (request.POST if provider.is_saml else request.GET).dict()
    if request.user.is_authenticated:
        return redirect("web:home")
    known = _taken(request, tenant_id, answered.get("RelayState" if provider.is_saml else "state"))
    if known is None and provider.is_saml and "SAMLResponse" in answered and AGAIN not in answered:
        fields = {name: answered[name] for name in OF_SAML if name in answered}
        return render(request, "account/provider_again.html", {"answered": fields, "again": AGAIN})
    if known is None:
        text = _("This sign-in was begun elsewhere, or too long ago. Begin again.")
        return render(request, "account/provider_refused.html", {"provider": provider, "why": text}, status=403)
    person = None
    begun = Begun(known["state"], known["nonce"], known["verifier"])
    try:
        claims = _claims_of(provider, begun, answered)
        person = Person.of_claims(claims, provider.role_claim)
        identity = provider_sign_ins.identity_of(provider, person, addresses.of_request(request))
    except (ProviderFailure, NewcomerRefused, SecretLost) as failure:
        return _refused(request, provider, failure, person)
    BEGUN.give_back(addresses.site_of(addresses.of_request(request)))
    signed_by = SignedBy(
        tenant=str(tenant_id),
        generation=str(provider.generation),
        identity=identity.pk,
        factor=provider.counts_as_second_factor,
    )
    record_authentication(request, identity.member.user, method="provider")
    login = Login(
        user=identity.member.user,
        redirect_url=known["next"],
        state={SIGNED_BY: signed_by, SIGNED_UNTIL: claims["session_ends"] if provider.is_saml else None},
        signal_kwargs={SIGNED_BY: signed_by},
    )
    answer: HttpResponseBase = perform_login(request, login)
    return answer


@require_safe
def metadata(_request: HttpRequest, tenant_id: UUID) -> HttpResponse:
    """Gives what a SAML provider is to know of the portal; it is the same whether there is such an organisation."""
    if not identity_providers.are_allowed():
        raise Http404
    found = saml_metadata.of_portal(entity_id(tenant_id), redirect_uri(tenant_id))
    return HttpResponse(found, content_type=saml_metadata.MEDIA_TYPE)


def redirect_uri(tenant_id: UUID) -> str:
    """Returns the address that the provider is to know, by PORTAL_URL: the request's Host is what the client claims."""
    return f"{settings.PORTAL_URL}{reverse('account_provider_back', args=[tenant_id])}"


def entity_id(tenant_id: UUID) -> str:
    """Returns what a SAML provider knows the portal by, where its metadata are."""
    return f"{settings.PORTAL_URL}{reverse('account_provider_metadata', args=[tenant_id])}"


def service_provider(provider: IdentityProvider) -> ServiceProvider:
    return ServiceProvider(
        issuer=provider.issuer,
        metadata_url=provider.metadata_url,
        metadata=provider.metadata,
        entity_id=entity_id(provider.tenant_id),
        acs=redirect_uri(provider.tenant_id),
    )


def _claims_of(provider: IdentityProvider, begun: Begun, answered: dict[str, str]) -> dict[str, Any]:
    """Raises ProviderFailure and SecretLost."""
    if provider.is_saml:
        answer = answered.get("SAMLResponse", "")
        return saml_sign_in.claims_of(service_provider(provider), begun, answer, provider.email_claim)
    return sign_in.claims_of(_client(provider), begun, answered, *provider.claims)


def _enabled(tenant_id: UUID) -> IdentityProvider:
    provider = identity_providers.enabled(tenant_id)
    if provider is None:
        raise Http404
    return provider


def _is_from_here(request: HttpRequest) -> bool:
    """Returns whether a page of the portal led here, as the browser says; without https some say it by Referer only."""
    came = request.headers.get("Sec-Fetch-Site")
    if came is not None:
        return came == "same-origin"
    return urlsplit(request.headers.get("Referer", "")).netloc == request.get_host()


def _taken(request: HttpRequest, tenant_id: UUID, state: str | None) -> dict[str, Any] | None:
    """Takes the sign-in that this is the answer to out of the session, once; None if there is none."""
    begun = request.session.get(SESSION_KEY, [])
    for known in begun:
        is_meant = known["state"] == state and known["tenant"] == str(tenant_id)
        if is_meant and time.time() - known["at"] <= SECONDS:
            request.session[SESSION_KEY] = [one for one in begun if one is not known]
            found: dict[str, Any] = known
            return found
    return None


def _client(provider: IdentityProvider) -> Client:
    """Raises SecretLost."""
    secret = identity_providers.secret_of(provider)
    return Client(provider.issuer, provider.client_id, secret, redirect_uri(provider.tenant_id))


def _refused(
    request: HttpRequest, provider: IdentityProvider, failure: Exception, person: Person | None = None
) -> HttpResponse:
    """Says why, and records it for the organisation's owners."""
    code, why = getattr(failure, "code", "secret"), str(failure)
    provider_sign_ins.record_refusal(provider, addresses.of_request(request), code, why, person)
    if isinstance(failure, SecretLost):
        why = _("The portal can’t read the secret for your provider any more: an owner has to enter it again.")
    elif isinstance(failure, ProviderFailure) and code not in SHOWN:
        why = _("Your organisation’s provider can’t be used at present (%(code)s).") % {"code": code}
    return render(request, "account/provider_refused.html", {"provider": provider, "why": why}, status=403)

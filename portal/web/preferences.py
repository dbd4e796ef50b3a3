"""The page of an organisation's default options."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from portal.preferences import AccessForm
from portal.web.access import TenantRequest, by_method, member_required
from portal.web.forms import AddressesForm, PreferencesForm
from tenants import people_addresses


@member_required("preferences.manage")
def index(request: TenantRequest) -> HttpResponse:
    return _page(request, _form(request))


@member_required("preferences.manage")
def change(request: TenantRequest) -> HttpResponse:
    form = _form(request, request.POST)
    if not form.is_valid():
        return _page(request, form)
    form.save_for(request.actor)
    messages.success(request, _("Saved. What is accepted from now on is transcribed this way."))
    return redirect("web:preferences")


preferences = by_method(get=index, post=change)


@require_POST
@member_required("preferences.manage")
def access(request: TenantRequest) -> HttpResponse:
    """Says who is let in from outside: no operator decides it for a member."""
    request.actor.require_in_person()
    form = AccessForm(request.POST, instance=request.actor.tenant)
    if form.is_valid():
        form.save_for(request.actor)
        messages.success(request, _("Saved."))
    return redirect("web:preferences")


@require_POST
@member_required("owners.manage")
def addresses(request: TenantRequest) -> HttpResponse:
    """Says from where the organisation's people are let in."""
    form = AddressesForm(request.actor.tenant, request.POST)
    if form.is_valid():
        try:
            people_addresses.allow(request.actor, form.cleaned_data["people_addresses"])
        except people_addresses.LocksOut as error:
            form.add_error("people_addresses", str(error))
        else:
            messages.success(request, _("Saved."))
            return redirect("web:preferences")
    return _page(request, _form(request), form)


def _form(request: TenantRequest, sent: QueryDict | None = None) -> PreferencesForm:
    """Returns the form, in which an operator who acts for a member doesn't decide when what is deleted is erased."""
    form = PreferencesForm(sent, instance=request.actor.tenant)
    form.fields["bin_days"].disabled = request.actor.is_support
    return form


def _page(request: TenantRequest, form: PreferencesForm, addresses: AddressesForm | None = None) -> HttpResponse:
    tenant = request.actor.tenant
    context = {"form": form, "access": AccessForm(instance=tenant), "section": "preferences"}
    if request.actor.may("owners.manage"):
        context["addresses"] = addresses or AddressesForm(tenant)
    return render(request, "web/preferences.html", context)

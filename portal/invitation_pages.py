"""The page of a mailed invitation: whoever has its link joins, with an account or with a new one."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, cast
from uuid import UUID

from allauth.account.adapter import get_adapter
from django import forms
from django.contrib import messages
from django.contrib.auth.forms import SetPasswordMixin
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from portal import accounts, devices
from portal.http.mail_links import key_of
from tenants import addresses, announcements, identity_providers, invitations, session_access
from tenants.members import MemberConflict
from tenants.models import Invitation, Role, User
from tenants.throttle import Limit

TRIES = Limit("invitations opened from an address", 60, 300)
SESSION_KEY = "invitation"


def name_fields() -> tuple[forms.CharField, forms.CharField]:
    """Returns the fields of a first and a last name."""
    labels = {"given-name": gettext_lazy("First name"), "family-name": gettext_lazy("Last name")}
    first, last = (
        forms.CharField(
            label=label, max_length=150, required=False, widget=forms.TextInput(attrs={"autocomplete": autocomplete})
        )
        for autocomplete, label in labels.items()
    )
    return first, last


class NewAccountForm(SetPasswordMixin, forms.Form):  # type: ignore[type-arg]  # no parameters at run time
    """The account of somebody who has none. The address is the invitation's."""

    first_name, last_name = name_fields()
    password1, password2 = SetPasswordMixin.create_password_fields()

    def __init__(self, email: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.email = email

    def clean(self) -> dict[str, Any]:
        self.validate_passwords()
        values = super().clean() or {}
        names = {name: values.get(name, "") for name in ("first_name", "last_name")}
        self.validate_password_for_user(User(email=self.email, **names), "password1")
        return values

    def save(self) -> User:
        names = {name: self.cleaned_data[name] for name in ("first_name", "last_name")}
        return User.objects.create_user(self.email, self.cleaned_data["password1"], **names)


@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest, invitation_id: UUID, key: str = "") -> HttpResponseBase:
    """Keeps the key of the link in the session, so that neither the address nor a referrer has it."""
    secret = key_of(request) or key
    if secret:
        if not TRIES.take(addresses.site_of(addresses.of_request(request))):
            return render(request, "429.html", status=429)
        request.session[SESSION_KEY] = [str(invitation_id), secret]
        return redirect("invitation", invitation_id)
    known, signature = request.session.get(SESSION_KEY) or ("", "")
    row = invitations.find(invitation_id, signature) if known == str(invitation_id) else None
    account = accounts.user_of(row.email) if row is not None else None
    if row is None or (account is not None and not account.is_active):
        return render(request, "account/invitation_ended.html", status=410)
    provider = identity_providers.of_address(row.email) if row.role != Role.OWNER else None
    if provider is not None and provider.is_required and provider.tenant_id == row.tenant_id and account is None:
        return redirect("account_provider_begin", row.tenant_id)
    if request.method == "POST":
        announcements.require_changes_in(row.tenant)
    if account is None and not request.user.is_authenticated:
        return _with_a_new_account(request, row)
    if request.user.is_authenticated and session_access.signed_by_of(cast(Any, request.session)) is not None:
        return render(request, "account/elsewhere.html", status=403)
    if account is not None and request.user == account and request.method == "POST":
        with suppress(MemberConflict):
            return _join(request, row, account)
        return redirect("invitation", row.id)
    here = reverse("invitation", args=[row.id])
    context = {
        "invitation": row,
        "is_theirs": request.user == account,
        "here": here,
        "has_account": account is not None,
    }
    return render(request, "account/invitation.html", context)


def _with_a_new_account(request: HttpRequest, row: Invitation) -> HttpResponseBase:
    form = NewAccountForm(row.email, request.POST if request.method == "POST" else None)
    if request.method != "POST" or not form.is_valid():
        return render(request, "account/invitation.html", {"invitation": row, "form": form})
    try:
        with transaction.atomic():
            user = form.save()
            answer = _join(request, row, user)
    except (IntegrityError, MemberConflict):  # another tab was faster: the page says what is the case now
        return redirect("invitation", row.id)
    get_adapter(request).login(request, user)
    devices.remember(request, answer, user)
    request.session[session_access.SESSION_TENANT] = str(row.tenant_id)
    return answer


def _join(request: HttpRequest, row: Invitation, user: User) -> HttpResponse:
    """Raises MemberConflict."""
    member = invitations.accept(row, user, addresses.of_request(request))
    request.session.pop(SESSION_KEY, None)
    request.session[session_access.SESSION_TENANT] = str(row.tenant_id)
    text = _("Welcome to %(tenant)s. Your role is %(role)s.")
    messages.success(request, text % {"tenant": row.tenant, "role": member.get_role_display()})
    return redirect("web:recordings")

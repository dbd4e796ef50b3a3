"""The routes of django-allauth that the portal offers, its others not being mounted, and those of invitations."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from allauth.account import views
from allauth.mfa.base import views as factor_views
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, re_path
from django.utils.translation import gettext as _

from portal import accounts, device_pages, factor_pages, invitation_pages, name_pages, provider_pages, sign_up_pages
from portal.http.mail_links import key_of
from tenants import addresses, announcements, support
from tenants.models import User
from tenants.session_access import require_some_tenant, signed_by_of
from tenants.throttle import Limit

PASSWORD_CHANGES = Limit("new passwords on the page", 5, 60)


def own_account(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Keeps whom an organisation's provider signed in from what is the person's alone: it could plant ways in.

    Nothing is changed in maintenance, but devices are signed out. Operators don't change theirs while they act for a
    member, so that nobody takes one account for the other.
    """

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        session = cast(Any, request.session)
        if request.method == "POST" and view is not device_pages.sign_out:
            announcements.require_changes_of_account(request.user)
        if support.going_on(request.user, session) is not None:
            raise PermissionDenied(_("Not while you act for a member. End that first."))
        if request.user.is_authenticated and signed_by_of(session) is not None:
            return render(request, "account/elsewhere.html", status=403)
        return view(request, *args, **kwargs)

    return guarded


def own_factors(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Keeps second factors, too, from whoever comes from where none of their organisations lets them in."""

    @own_account
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if isinstance(request.user, User):
            require_some_tenant(request.user, cast(Any, request.session), addresses.of_request(request))
        return view(request, *args, **kwargs)

    return guarded


@own_account
def password_change(request: HttpRequest) -> HttpResponseBase:
    """Limits tries: the old password is asked for, and whoever found an open session must not guess it.

    Who has none, but a passkey, is mailed a link to set one.
    """
    if isinstance(request.user, User) and not request.user.has_usable_password():
        messages.info(request, _("You have no password here. A link to set one is sent by mail."))
        return redirect("account_reset_password")
    if request.method == "POST" and request.user.is_authenticated and not PASSWORD_CHANGES.take(str(request.user.pk)):
        return render(request, "429.html", status=429)
    answer: HttpResponseBase = views.password_change(request)
    return answer


def password_reset(request: HttpRequest) -> HttpResponseBase:
    """Sends no more than a few links for one account, and answers the same beyond that: the earlier ones still work."""
    if request.method == "POST":
        site = addresses.site_of(addresses.of_request(request))
        if not accounts.RESETS_OF_ADDRESS.take(site):
            return render(request, "429.html", status=429)
        if not accounts.RESETS.take(User.objects.normalize_email(request.POST.get("email"))):
            return redirect("account_reset_password_done")
    answer: HttpResponseBase = views.password_reset(request)
    return answer


def password_reset_from_key(request: HttpRequest, uidb36: str, key: str) -> HttpResponseBase:
    """Keeps the key out of the referrer. No password is set in maintenance."""
    if request.method == "POST":
        announcements.require_changes_of_account(request.user)
    secret = key_of(request)
    answer: HttpResponseBase = views.password_reset_from_key(request, uidb36=uidb36, key=secret or key)
    if secret:
        answer["Referrer-Policy"] = "strict-origin"
    return answer


urlpatterns = [
    path("login/", views.login, name="account_login"),
    path("login/second/", factor_pages.SecondStep.as_view(), name="mfa_authenticate"),
    path("login/passkey/", factor_pages.Passkey.as_view(), name="mfa_login_webauthn"),
    path("login/organisation/", provider_pages.choose, name="account_provider"),
    path("login/organisation/<uuid:tenant_id>/", provider_pages.begin, name="account_provider_begin"),
    path("login/organisation/<uuid:tenant_id>/back/", provider_pages.back, name="account_provider_back"),
    path("login/organisation/<uuid:tenant_id>/metadata/", provider_pages.metadata, name="account_provider_metadata"),
    path("logout/", views.logout, name="account_logout"),
    path("signup/", sign_up_pages.sign_up, name="account_signup"),
    path("name/", own_account(name_pages.own_name), name="account_name"),
    path("devices/", own_account(device_pages.devices), name="account_devices"),
    path("devices/sign-out/", own_account(device_pages.sign_out), name="account_sign_out_device"),
    path("security/", own_factors(factor_pages.index), name="mfa_index"),
    path("security/app/", own_factors(factor_pages.add_app), name="mfa_activate_totp"),
    path("security/app/remove/", own_factors(factor_pages.remove_app), name="mfa_deactivate_totp"),
    path("security/keys/", own_factors(factor_pages.add_key), name="mfa_add_webauthn"),
    path("security/keys/<int:pk>/", own_factors(factor_pages.rename_key), name="mfa_edit_webauthn"),
    path("security/keys/<int:pk>/remove/", own_factors(factor_pages.remove_key), name="mfa_remove_webauthn"),
    path("security/codes/", own_factors(factor_pages.codes), name="mfa_view_recovery_codes"),
    path("security/codes/new/", own_factors(factor_pages.new_codes), name="mfa_generate_recovery_codes"),
    path("again/", views.reauthenticate, name="account_reauthenticate"),
    path("again/code/", factor_views.reauthenticate, name="mfa_reauthenticate"),
    path("again/key/", factor_pages.KeyAgain.as_view(), name="mfa_reauthenticate_webauthn"),
    path("inactive/", views.account_inactive, name="account_inactive"),
    path("password/change/", password_change, name="account_change_password"),
    path("password/reset/", password_reset, name="account_reset_password"),
    path("password/reset/done/", views.password_reset_done, name="account_reset_password_done"),
    re_path(
        r"^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        password_reset_from_key,
        name="account_reset_password_from_key",
    ),
    path("invitations/<uuid:invitation_id>/", invitation_pages.invitation, name="invitation"),
    path("invitations/<uuid:invitation_id>-<str:key>/", invitation_pages.invitation, name="invitation_link"),
    path("password/reset/key/done/", views.password_reset_from_key_done, name="account_reset_password_from_key_done"),
]

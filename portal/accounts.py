"""Adapts django-allauth: sign-in, sign-out and passwords.

The address of an account is the one in `User.email`, which operators change. allauth's own table of addresses is
not used: a person could have several there, and not all of them theirs.
"""

from __future__ import annotations

import math
import time
from datetime import timedelta
from typing import Any, cast

from allauth.account import forms
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.auth_backends import AuthenticationBackend
from allauth.account.forms import default_token_generator
from allauth.account.internal.stagekit import clear_login
from allauth.account.utils import user_pk_to_url_str
from allauth.core.exceptions import ImmediateHttpResponse
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import BACKEND_SESSION_KEY
from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.db import transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _

from portal import devices, second_factor
from tenants import (
    account_mails,
    addresses,
    mails,
    people,
    second_factors,
    session_access,
    sign_ins,
    support,
    user_sessions,
)
from tenants.access import member_actor
from tenants.models import User
from tenants.session_access import SIGNED_BY, SIGNED_UNTIL, SignedBy
from tenants.throttle import Limit

WRONG_PASSWORDS = Limit("wrong passwords for an account from an address", 5, 300)
WRONG_PASSWORDS_OF_ADDRESS = Limit("wrong passwords from an address", 10, 60)
NEW_DEVICES = Limit("mails about new devices of an account", 10, 3600)
BY_PROVIDER = timedelta(hours=12)
"""How long a session lasts whose person the provider may have switched off meanwhile."""

ACCOUNT_PAGES = "/accounts/"
UNKNOWN_ADDRESS = "0.0.0.0"  # noqa: S104 - it is bound nowhere: through a Unix socket nobody's address is known
RESETS = Limit("links for an account", 5, 3600)
RESETS_OF_ADDRESS = Limit("links from an address", 20, 300)


class ProviderBackend(BaseBackend):
    """Marks sessions that a tenant's own provider signed; it authenticates nobody."""

    def get_user(self, user_id: Any) -> User | None:
        return User.objects.filter(pk=user_id, is_active=True).first()


class AddressBackend(AuthenticationBackend):  # type: ignore[misc]
    """Finds people by the address of their account alone."""

    def _authenticate_by_email(self, email: str, password: str) -> AbstractBaseUser | None:
        user: AbstractBaseUser | None = self._check_password(user_of(email), password)
        return user


class PortalAccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Closes sign-up: operators and owners invite. Records sign-ins and sign-outs in the audit log."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def login(self, request: HttpRequest, user: AbstractBaseUser) -> None:
        """Signs somebody in, and mails them if they were signed in before, but never with this browser."""
        assert isinstance(user, User)
        signed_by: SignedBy | None = getattr(request, SIGNED_BY, None)
        is_new = user.last_login is not None and not devices.is_known(request, user)
        with transaction.atomic():
            second_factor.require(request, user, signed_by)
            if signed_by is not None:
                user.backend = session_access.PROVIDER_BACKEND
                if session_access.is_over(user.pk, {BACKEND_SESSION_KEY: user.backend, SIGNED_BY: signed_by}):
                    second_factor.begin_again(request)
                    raise ImmediateHttpResponse(redirect("account_login"))
            if not request.session.get_expire_at_browser_close():
                request.session.set_expiry(None)
            super().login(request, user)
            request.session.pop(SIGNED_BY, None)
            if signed_by is not None:
                request.session[SIGNED_BY] = signed_by
                request.session[session_access.SESSION_TENANT] = signed_by["tenant"]
                until: float = getattr(request, SIGNED_UNTIL, None) or math.inf
                seconds = min(BY_PROVIDER.total_seconds(), until - time.time())
                request.session.set_expiry(timedelta(seconds=seconds))
            user_sessions.begin(request, user)
            sign_ins.record_sign_in(user.pk, addresses.of_request(request), cast(Any, request.session))
        if is_new and NEW_DEVICES.take(str(user.pk)):
            account_mails.send_soon(devices.mail(request, user))

    def get_login_stages(self) -> list[str]:
        ours = {"allauth.mfa.stages.AuthenticateStage": "portal.second_factor.SecondStepStage"}
        stages = [ours.get(stage, stage) for stage in super().get_login_stages()]
        return [*stages, "portal.second_factor.SignedByStage"]

    def pre_login(self, request: HttpRequest, user: AbstractBaseUser, **more: Any) -> HttpResponseBase | None:
        """Sends somebody to their organisation's provider whom nothing else opens anything to but their account."""
        assert isinstance(user, User)
        wants_account = str(more.get("redirect_url") or "").startswith(ACCOUNT_PAGES)
        if more.get("signal_kwargs") is None and not wants_account and _needs_provider(user):
            clear_login(request)
            messages.info(request, _("Your organisation wants you to sign in with its own provider."))
            return redirect("account_provider")
        answer: HttpResponseBase | None = super().pre_login(request, user, **more)
        return answer

    def post_login(self, request: HttpRequest, user: AbstractBaseUser, **more: Any) -> HttpResponseBase:
        assert isinstance(user, User)
        response: HttpResponseBase = super().post_login(request, user, **more)
        devices.remember(request, response, user)
        return response

    def get_client_ip(self, request: HttpRequest) -> str:
        """Returns the address that the server determined; allauth would read headers itself."""
        return addresses.of_request(request) or UNKNOWN_ADDRESS

    def logout(self, request: HttpRequest) -> None:
        """Signs out a user who is signed in."""
        assert isinstance(request.user, User)
        user_id = request.user.pk
        with transaction.atomic():
            support.end(request.user, request.session, addresses.of_request(request))
            session = dict(request.session.items())
            super().logout(request)
            sign_ins.record_sign_out(user_id, addresses.of_request(request), session)

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Counts tries by address, and by address and account: guesses from elsewhere don't keep the owner out.

        Raises ValidationError.
        """
        address, email = addresses.site_of(addresses.of_request(request)), _typed(credentials)
        if not WRONG_PASSWORDS_OF_ADDRESS.take(address) or not WRONG_PASSWORDS.take(address, email):
            raise ValidationError(_("Too many wrong passwords. Wait a minute, then try again."))

    def authenticate(self, request: HttpRequest, **credentials: Any) -> AbstractBaseUser | None:
        """Does not count a right password. Raises ValidationError."""
        user: AbstractBaseUser | None = super().authenticate(request, **credentials)
        if user is not None:
            address = addresses.site_of(addresses.of_request(request))
            WRONG_PASSWORDS_OF_ADDRESS.give_back(address)
            WRONG_PASSWORDS.give_back(address, _typed(credentials))
        return user

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """Records the failure of an account that exists. What was typed is kept nowhere."""
        if (user := user_of(_typed(credentials))) is not None:
            sign_ins.record_refusal(user, addresses.of_request(request))

    def reauthenticate(self, user: AbstractBaseUser, password: str) -> bool:
        """Checks the password of whoever is signed in, with the limits of signing in. Raises ValidationError."""
        assert isinstance(user, User)
        return self.authenticate(self.request, email=user.email, password=password) == user

    def get_reauthentication_methods(self, user: AbstractBaseUser | AnonymousUser) -> list[dict[str, Any]]:
        """Leaves out the password of those who have a second factor: it alone must not remove the factor."""
        methods: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        by_factor = [method for method in methods if method["id"] != "reauthenticate"]
        return by_factor or methods

    def set_password(self, user: AbstractBaseUser, password: str) -> None:
        """Sets the password of whoever is signed in, or has the link from a mail: either is the person."""
        assert isinstance(user, User)
        address = addresses.of_request(self.request)
        how = "page" if self.request.user == user else "mail"
        with people.recording_changes(user.pk, lambda member: member_actor(member, address), how=how):
            super().set_password(user, password)
        if how == "mail":
            second_factors.forget_guesses_once(user)


class ResetPasswordForm(forms.ResetPasswordForm):  # type: ignore[misc]
    """Takes as long, and answers the same, whether or not there is such an account."""

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"])

    def save(self, request: HttpRequest, **_kwargs: Any) -> str:
        """Mails a link to the account's own address."""
        email = str(self.cleaned_data["email"])
        found = user_of(email)
        mail = reset_mail(found or User(pk=0, email=email))
        if found is not None and found.is_active:
            account_mails.send_soon(mail)
        return email


def user_of(email: str) -> User | None:
    return User.objects.filter(email=User.objects.normalize_email(email)).first() if "\x00" not in email else None


def _needs_provider(user: User) -> bool:
    """Returns whether all that this person belongs to requires its provider of them."""
    return bool(session_access.memberships(user.pk)) and not user.is_staff and not session_access.reachable(user.pk, {})


def reset_mail(user: User) -> EmailMessage:
    """Returns the mail with a link of PORTAL_URL: the request's Host is what the client claims."""
    key = {"uidb36": user_pk_to_url_str(user), "key": default_token_generator.make_token(user)}
    address = f"{settings.PORTAL_URL}{reverse('account_reset_password_from_key', kwargs=key)}"
    context = {"address": address, "portal": settings.PORTAL_URL}
    return mails.rendered("account/email/password_reset", user.email, context)


def _typed(credentials: dict[str, Any]) -> str:
    return User.objects.normalize_email(str(credentials.get("email") or ""))

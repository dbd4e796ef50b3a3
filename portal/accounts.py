"""Sign-in, as django-allauth is to do it here."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.utils import filter_users_by_email
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.http import HttpRequest

from tenants import addresses, signins
from tenants.models import User


class PortalAccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Nobody signs up alone: operators and owners invite. Who comes and goes stands in the audit log."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def login(self, request: HttpRequest, user: AbstractBaseUser) -> None:
        with transaction.atomic():
            super().login(request, user)
            signins.signed_in(user.pk, addresses.of_request(request))

    def logout(self, request: HttpRequest) -> None:
        """Of somebody who is signed in."""
        assert isinstance(request.user, User)
        user_id = request.user.pk
        with transaction.atomic():
            super().logout(request)
            signins.signed_out(user_id, addresses.of_request(request))

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """What was typed is kept nowhere: only accounts that exist are told of."""
        for user in filter_users_by_email(credentials.get("email", "")):
            signins.refused(user.pk, addresses.of_request(request))

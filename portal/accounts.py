"""Sign-in, as django-allauth is to do it here."""

from __future__ import annotations

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest


class PortalAccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Nobody signs up alone: operators and owners invite."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

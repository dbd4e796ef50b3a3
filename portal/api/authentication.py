"""Tells DRF who sends a request."""

from __future__ import annotations

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from portal.http.authentication import caller_of_request
from tenants.access import Actor


class CallerAuthentication(BaseAuthentication):
    """Makes the Actor of portal.http.authentication `request.user`."""

    def authenticate(self, request: Request) -> tuple[Actor, None] | None:
        """Raises KeyRefused and TenantMismatch."""
        actor = caller_of_request(request._request).checked()
        return (actor, None) if actor is not None else None

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"

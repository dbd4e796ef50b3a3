"""How DRF learns who is asking: TenantView has read the key before."""

from __future__ import annotations

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from tenants.access import Actor, OtherTenant
from tenants.api_keys import KeyRefused


class KeyAuthentication(BaseAuthentication):
    """`request.user` is the Actor of a live key."""

    def authenticate(self, request: Request) -> tuple[Actor, None] | None:
        """Raises KeyRefused or OtherTenant, as TenantView found it."""
        refused: KeyRefused | OtherTenant | None = getattr(request._request, "refused", None)
        if refused is not None:
            raise refused
        actor: Actor | None = getattr(request._request, "actor", None)
        return (actor, None) if actor is not None else None

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"

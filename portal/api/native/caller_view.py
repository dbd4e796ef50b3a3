from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from rest_framework.request import Request

from portal.api import callers
from portal.api.native.tenant_view import TenantView
from tenants.access import Actor


class CallerView(TenantView):
    """One that the portal's own pages may ask too, with their session and its CSRF token."""

    def caller(self, request: HttpRequest) -> Actor | None:
        """Raises KeyRefused and OtherTenant."""
        return callers.caller_of(request)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Raises PermissionDenied without a CSRF token where one is needed."""
        super().initial(request, *args, **kwargs)
        if isinstance(request.user, Actor):
            callers.check_csrf(request._request, request.user)

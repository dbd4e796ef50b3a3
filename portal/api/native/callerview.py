from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.views import APIView

from portal.api import callers
from portal.api.native.tenantview import TenantView
from tenants import scope
from tenants.access import Actor


class CallerView(TenantView):
    """One that the portal's own pages may ask too, with their session and its CSRF token."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        actor = callers.caller_of(request)
        request.actor = actor  # type: ignore[attr-defined]
        if actor is None:
            return APIView.dispatch(self, request, *args, **kwargs)
        with scope.bound(actor.tenant.id):
            return APIView.dispatch(self, request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Raises PermissionDenied without a CSRF token where one is needed."""
        super().initial(request, *args, **kwargs)
        if isinstance(request.user, Actor):
            callers.check_csrf(request._request, request.user)

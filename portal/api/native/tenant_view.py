from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.views import APIView

from portal.api import bearer
from portal.api.native.conditional import unless_known
from portal.http import request_budget
from tenants import scope
from tenants.access import Actor, OtherTenant
from tenants.api_keys import KeyRefused


class TenantView(APIView):
    """A DRF view that runs with its key's tenant bound."""

    @property
    def actor(self) -> Actor:
        """Behind KeyPermission there is always one."""
        actor = self.request.user
        assert isinstance(actor, Actor)
        return actor

    def caller(self, request: HttpRequest) -> Actor | None:
        """Who is asking; None for nobody. Raises KeyRefused, and OtherTenant for a page."""
        return bearer.actor_of(request)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            actor = self.caller(request)
        except (KeyRefused, OtherTenant) as refused:  # KeyAuthentication says so, where errors become problems
            request.refused, actor = refused, None  # type: ignore[attr-defined]
        request.actor = actor  # type: ignore[attr-defined]
        if actor is None:
            return super().dispatch(request, *args, **kwargs)
        with scope.bound(actor.tenant.id):
            return super().dispatch(request, *args, **kwargs)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        answer = super().finalize_response(request, response, *args, **kwargs)
        if request.method != "GET" or answer.status_code != 200 or answer.streaming:
            return answer
        return unless_known(request._request, answer)

    def check_throttles(self, request: Request) -> None:
        """Raises TooManyRequests."""
        super().check_throttles(request)
        request_budget.spend(request_budget.scope_of(request._request), self.actor)

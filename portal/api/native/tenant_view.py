"""The base of the native API's views."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.views import APIView

from portal.api import ignored
from portal.api.native.conditional import not_modified_or
from portal.http import authentication, request_budget
from portal.http.asgi import scope_of
from portal.http.folders import on_its_page
from tenants import scope
from tenants.access import Actor


class TenantView(APIView):
    """A DRF view that runs with its caller's tenant bound; portal.http.routes says how the caller is known."""

    _narrowed: Actor | None = None

    @property
    def actor(self) -> Actor:
        """The caller, whom CallerPermission has let in, with what a recording's folder lets them do at its address."""
        actor = self._narrowed or self.request.user
        assert isinstance(actor, Actor)
        return actor

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        actor = authentication.caller_of_request(request).actor
        if actor is None:
            return super().dispatch(request, *args, **kwargs)
        with scope.bound(actor.tenant.id):
            return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Raises PermissionDenied where a session's request needs a CSRF token and has none."""
        super().initial(request, *args, **kwargs)
        if isinstance(request.user, Actor):
            self._narrowed = on_its_page(request.user, kwargs)
            authentication.check_csrf(request._request, request.user)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        answer = super().finalize_response(request, response, *args, **kwargs)
        known = getattr(getattr(self, (request.method or "").lower(), None), "query", None)
        if known is not None and not answer.has_header(ignored.HEADER):
            for name, value in ignored.headers_of(name for name in request.query_params if name not in known).items():
                answer[name] = value
        is_sent_elsewhere = answer.streaming or answer.has_header("X-Accel-Redirect")
        if request.method != "GET" or answer.status_code != 200 or is_sent_elsewhere:
            return answer
        return not_modified_or(request._request, answer)

    def check_throttles(self, request: Request) -> None:
        """Raises TooManyRequests."""
        super().check_throttles(request)
        request_budget.spend(scope_of(request._request), self.actor)

"""Access to pages for signed-in members."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from portal.http.authentication import caller_of_request
from portal.http.folders import on_its_page
from tenants import scope, user_sessions
from tenants.access import Actor
from tenants.models import User
from tenants.session_access import NotSignedIn

Parameters = ParamSpec("Parameters")
View = Callable[..., HttpResponseBase]


class TenantRequest(HttpRequest):
    """A request with an actor, as `member_required` passes it to views."""

    user: User
    actor: Actor


def member_required(
    permission: str,
) -> Callable[
    [Callable[Concatenate[TenantRequest, Parameters], HttpResponseBase]],
    Callable[Concatenate[HttpRequest, Parameters], HttpResponseBase],
]:
    """Requires a signed-in member with `permission`, and binds the tenant while the view runs.

    On a page of one recording the actor may do what a member of its folder may. Raises NotSignedIn, TenantMismatch and
    PermissionDenied, which portal.web.errors answers.
    """

    def decorate(
        view: Callable[Concatenate[TenantRequest, Parameters], HttpResponseBase],
    ) -> Callable[Concatenate[HttpRequest, Parameters], HttpResponseBase]:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Parameters.args, **kwargs: Parameters.kwargs) -> HttpResponseBase:
            actor = caller_of_request(request).checked()
            if actor is None and not request.user.is_authenticated:
                raise NotSignedIn
            if actor is None:
                raise PermissionDenied(_("You are not a member of any organisation yet. Ask your administrator."))
            actor.require(permission)
            user_sessions.note(request)
            with scope.bound(actor.tenant.id):
                actor = on_its_page(actor, kwargs)
                actor.require(permission)
                request.actor = actor  # type: ignore[attr-defined]
                return view(request, *args, **kwargs)  # type: ignore[arg-type]

        return guarded  # type: ignore[return-value]

    return decorate


def by_method(*, get: View, post: View) -> View:
    """Returns the view of an address that `get` reads and `post` changes, each with its own permission."""

    @require_http_methods(["GET", "HEAD", "POST"])
    @wraps(get)
    def view(request: HttpRequest, **arguments: Any) -> HttpResponseBase:
        return (post if request.method == "POST" else get)(request, **arguments)

    return view

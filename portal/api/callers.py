"""Who is asking where both programs and the portal's own pages may ask: a key, else a session."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from rest_framework.authentication import CSRFCheck

from portal.http.uploads import actor_of
from tenants import access, addresses
from tenants.access import Actor


def caller_of(request: HttpRequest) -> Actor | None:
    """The actor of the key, or of the session where none was sent; None for nobody. Raises as `actor_of` does."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    return actor_of(headers, request.method or "", addresses.of_request(request))


def check_csrf(request: HttpRequest, actor: Actor) -> None:
    """Of a session's request that changes something; a key can't be sent by another site. Raises PermissionDenied."""
    if actor.key is not None or request.method in access.SAFE_METHODS:
        return
    check = CSRFCheck(lambda _request: HttpResponse())
    check.process_request(request)
    if check.process_view(request, lambda *_: HttpResponse(), (), {}):
        raise PermissionDenied(_("The page's security token is missing or too old. Reload the page."))

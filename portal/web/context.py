"""What every page knows: who is signed in, in which organisation, and which others there are."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from portal.web.tenant import memberships
from tenants import access


def portal(request: HttpRequest) -> dict[str, Any]:
    """Lazy: pages that show none of it, such as the admin's, ask the database nothing."""
    return {
        "actor": SimpleLazyObject(lambda: _actor(request)),
        "memberships": SimpleLazyObject(lambda: memberships(request)),
    }


def _actor(request: HttpRequest) -> access.Actor | None:
    found: access.Actor | None = getattr(request, "actor", None)
    if found is None and request.user.is_authenticated:
        found = access.of_session(request.user.pk, request.session.get(access.SESSION_TENANT))
    return found

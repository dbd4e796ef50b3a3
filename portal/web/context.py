"""Template variables of every page: who is signed in, in which organisation, which others there are, and notices."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from portal.web.tenant import memberships
from tenants import access, notices
from tenants.notices import Told


def portal(request: HttpRequest) -> dict[str, Any]:
    """Returns them lazily: pages that show none, such as the admin's, make no query for them."""
    actor: Any = SimpleLazyObject(lambda: _actor(request))
    return {
        "actor": actor,
        "memberships": SimpleLazyObject(lambda: memberships(request)),
        "notices": SimpleLazyObject(lambda: _notices(actor)),
    }


def _actor(request: HttpRequest) -> access.Actor | None:
    found: access.Actor | None = getattr(request, "actor", None)
    if found is None and request.user.is_authenticated:
        found = access.of_session(request.user.pk, request.session.get(access.SESSION_TENANT))
    return found


def _notices(actor: access.Actor | None) -> list[Told]:
    """Returns the notices of those who may dismiss them."""
    return notices.shown(actor.tenant) if actor and actor.may("notices.manage") else []

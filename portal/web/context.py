"""What every page knows: who is signed in, in which organisation, which others there are, and what is short."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from portal.web.tenant import memberships
from tenants import access, notices
from tenants.notices import CurrentNotice


def portal(request: HttpRequest) -> dict[str, Any]:
    """Lazy: pages that show none of it, such as the admin's, ask the database nothing."""
    actor: Any = SimpleLazyObject(lambda: _actor(request))
    return {
        "actor": actor,
        "memberships": SimpleLazyObject(lambda: memberships(request)),
        "notices": SimpleLazyObject(lambda: _notices(actor)),
    }


def _actor(request: HttpRequest) -> access.Actor | None:
    found: access.Actor | None = getattr(request, "actor", None)
    if found is None and request.user.is_authenticated:
        found = access.session_actor(request.user.pk, request.session.get(access.SESSION_TENANT))
    return found


def _notices(actor: access.Actor | None) -> list[CurrentNotice]:
    """For those who may dismiss them."""
    return notices.current(actor.tenant) if actor and actor.may("notices.manage") else []

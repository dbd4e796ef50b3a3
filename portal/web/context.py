"""Template variables of every page: who is signed in, where, in which other organisations, quota and notices."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from portal.web.tenant import memberships
from tenants import access, notices, quota
from tenants.notices import Told
from tenants.quota import Standing


def portal(request: HttpRequest) -> dict[str, Any]:
    """Returns them lazily: pages that show none, such as the admin's, make no query for them."""
    actor: Any = SimpleLazyObject(lambda: _actor(request))
    standing: Any = SimpleLazyObject(lambda: quota.standing(actor.tenant))
    return {
        "actor": actor,
        "memberships": SimpleLazyObject(lambda: memberships(request)),
        "notices": SimpleLazyObject(lambda: _notices(actor, standing)),
        "standing": standing,
    }


def _actor(request: HttpRequest) -> access.Actor | None:
    found: access.Actor | None = getattr(request, "actor", None)
    if found is None and request.user.is_authenticated:
        found = access.of_session(request.user.pk, request.session.get(access.SESSION_TENANT))
    return found


def _notices(actor: access.Actor | None, standing: Standing) -> list[Told]:
    """Returns the notices of those who may dismiss them."""
    return notices.shown(actor.tenant, standing) if actor and actor.may("notices.manage") else []

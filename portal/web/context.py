"""Template variables of every page: who is signed in, where, in which other organisations, quota and notices."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from portal.web.tenant import memberships
from tenants import access, notices, quota
from tenants.notices import CurrentNotice
from tenants.quota import QuotaSnapshot


def portal(request: HttpRequest) -> dict[str, Any]:
    """Returns them lazily: pages that show none, such as the admin's, make no query for them."""
    actor: Any = SimpleLazyObject(lambda: _actor(request))
    snapshot: Any = SimpleLazyObject(lambda: quota.snapshot(actor.tenant))
    return {
        "actor": actor,
        "memberships": SimpleLazyObject(lambda: memberships(request)),
        "notices": SimpleLazyObject(lambda: _notices(actor, snapshot)),
        "quota_snapshot": snapshot,
    }


def _actor(request: HttpRequest) -> access.Actor | None:
    actor: access.Actor | None = getattr(request, "actor", None)
    if actor is None and request.user.is_authenticated:
        actor = access.session_actor(request.user.pk, request.session.get(access.SESSION_TENANT))
    return actor


def _notices(actor: access.Actor | None, snapshot: QuotaSnapshot) -> list[CurrentNotice]:
    """Returns the notices of those who may dismiss them."""
    return notices.current(actor.tenant, snapshot) if actor and actor.may("notices.manage") else []

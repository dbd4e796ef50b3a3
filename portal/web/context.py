"""Template variables of every page: who is signed in, where, in which other organisations, quota and notices."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from portal.web.tenant import memberships
from tenants import (
    addresses,
    announcements,
    identity_providers,
    mails,
    notices,
    quota,
    second_factors,
    session_access,
)
from tenants.access import Actor
from tenants.notices import CurrentNotice
from tenants.quota import QuotaSnapshot


def portal(request: HttpRequest) -> dict[str, Any]:
    """Returns them lazily: pages that show none, such as the admin's, make no query for them."""
    actor: Any = SimpleLazyObject(lambda: _actor(request))
    snapshot: Any = SimpleLazyObject(lambda: quota.snapshot(actor.tenant))
    return {
        "actor": actor,
        "announcements": SimpleLazyObject(lambda: announcements.shown_to(actor) if actor else []),
        "maintenance": SimpleLazyObject(announcements.maintenance),
        "mails_are_sent": mails.are_sent(),
        "memberships": SimpleLazyObject(lambda: actor.reachable if actor else memberships(request)),
        "notices": SimpleLazyObject(lambda: _notices(actor, snapshot)),
        "providers_offered": SimpleLazyObject(identity_providers.are_offered),
        "quota_snapshot": snapshot,
        "support_visit": SimpleLazyObject(lambda: actor.visit if actor else None),
        "suspension": SimpleLazyObject(lambda: _suspension(actor)),
        "second_factor_due": SimpleLazyObject(lambda: _second_factor_due(request, actor)),
    }


def _actor(request: HttpRequest) -> Actor | None:
    """Returns None, too, for a member whom the tenant does not let in as they come."""
    actor: Actor | None = getattr(request, "actor", None)
    if actor is None and request.user.is_authenticated:
        with suppress(session_access.TenantClosed):
            session: Any = request.session
            actor = session_access.session_actor(request.user.pk, session, addresses.of_request(request))
    return actor


def _second_factor_due(request: HttpRequest, actor: Actor | None) -> datetime | None:
    """Returns from when on the tenant requires a second factor of somebody who has none."""
    if not actor or actor.user is None or actor.is_support or actor.tenant.second_factor_from is None:
        return None
    session: Any = request.session
    signed_by = session_access.signed_by_of(session)
    if signed_by is not None and signed_by["factor"]:
        return None
    return None if second_factors.has_one(actor.user.pk) else actor.tenant.second_factor_from


def _suspension(actor: Actor | None) -> str:
    return announcements.suspension_text(actor.tenant) if actor and actor.tenant.suspended_from else ""


def _notices(actor: Actor | None, snapshot: QuotaSnapshot) -> list[CurrentNotice]:
    """Returns the notices of those who may dismiss them."""
    return notices.current(actor.tenant, snapshot) if actor and actor.may("notices.manage") else []

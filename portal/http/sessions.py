"""Finds the member of a session cookie where there is no Django request: for uploads and WebSockets."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import SimpleNamespace
from typing import Any, cast

from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, parse_cookie

from tenants import access, support
from tenants.access import Actor, Page
from tenants.models import User
from tenants.second_factors import is_missing_for_operator


def session_key_of(cookie_header: str) -> str | None:
    return parse_cookie(cookie_header).get(settings.SESSION_COOKIE_NAME)


def user_of(request: HttpRequest) -> User | AnonymousUser:
    """Returns who is signed in, and ends the session whose provider's word no longer holds."""
    user, session = get_user(request), cast(Any, request.session)
    if isinstance(user, User) and access.is_over(user.pk, session):
        session.flush()
        return AnonymousUser()
    return user


def is_operator(user: object, session: Mapping[str, Any]) -> bool:
    """Returns whether a session may open the administration.

    It wants a second factor, too, where OPERATOR_SECOND_FACTOR says so; no tenant's provider makes operators. Who acts
    for a member has no administration meanwhile.
    """
    if not isinstance(user, User) or not (user.is_active and user.is_staff):
        return False
    is_own = access.signed_by_of(session) is None and not is_missing_for_operator(user)
    return is_own and support.going_on(user, session) is None


def operator_of_session(session_key: str | None) -> User | None:
    """Returns the operator of a session as the database has it now."""
    if not session_key:
        return None
    session: Any = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = get_user(cast(HttpRequest, SimpleNamespace(session=session)))
    return user if isinstance(user, User) and is_operator(user, session) else None


def actor_of_session(
    session_key: str | None, tenant_id: str | None = None, address: str = "", page: Page | None = None
) -> Actor | None:
    """Returns the actor of a session as the database has it now, password changes and sign-outs included.

    Without `tenant_id` it is the actor in the tenant that the session chose; with it, in that one or none. Raises
    TenantMismatch if `page` was drawn for another one, and TenantClosed.
    """
    if not session_key:
        return None
    session: Any = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = get_user(cast(HttpRequest, SimpleNamespace(session=session)))
    if not user.is_authenticated:
        return None
    return access.session_actor(user.pk, session, address, page, tenant_id)

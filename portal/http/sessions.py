"""Finds the member of a session cookie where there is no Django request: for uploads and WebSockets."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from importlib import import_module
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, parse_cookie
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from tenants import access, support
from tenants.access import Actor, Page
from tenants.models import User
from tenants.second_factors import is_missing_for_operator, who_have_one


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


def actors_of_sessions(asked: Collection[tuple[str, UUID, str]]) -> dict[tuple[str, UUID, str], Actor]:
    """Returns the actors of sessions in tenants from addresses, by six queries at most however many there are.

    Only of those of which that shows beyond doubt who may come in; of all others `actor_of_session` says what holds.
    """
    store = import_module(settings.SESSION_ENGINE).SessionStore
    rows = store.get_model_class().objects.filter(expire_date__gt=timezone.now())
    sessions: dict[str, Any] = {
        row.session_key: row.get_decoded() for row in rows.filter(session_key__in={key for key, *_ in asked})
    }
    people = {key: user_id for key, session in sessions.items() if (user_id := _plain_user_id(session)) is not None}
    members = access.own_members(set(people.values()), {tenant for _key, tenant, _address in asked})
    strict = {member.user_id for member in members if member.tenant.second_factor_from is not None}
    secured = who_have_one(strict) if strict else set()
    known = {(member.user_id, member.tenant_id): member for member in members}
    actors = {}
    for key, tenant_id, address in asked:
        member = known.get((people.get(key, 0), tenant_id))
        if member is None or not access.lets_in(member.tenant, address):
            continue
        if member.tenant.second_factor_from is not None and member.user_id not in secured:
            continue
        if constant_time_compare(sessions[key].get(HASH_SESSION_KEY, ""), member.user.get_session_auth_hash()):
            actors[key, tenant_id, address] = access.member_actor(member, address)
    return actors


def _plain_user_id(session: Mapping[str, Any]) -> int | None:
    """Returns whose session it is, if they signed in themselves and act for nobody."""
    user_id = str(session.get(SESSION_KEY, ""))
    if access.SUPPORT in session or access.signed_by_of(session) is not None or not user_id.isdecimal():
        return None
    return int(user_id) if session.get(BACKEND_SESSION_KEY) in settings.AUTHENTICATION_BACKENDS else None


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

"""Finds the member of a session cookie where there is no Django request: for uploads and WebSockets."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from importlib import import_module
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, parse_cookie
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from tenants import access, session_access, support
from tenants.access import Actor
from tenants.models import Member, User
from tenants.second_factors import is_missing_for_operator, who_have_one
from tenants.session_access import Page, SignedBy


def session_key_of(cookie_header: str) -> str | None:
    return parse_cookie(cookie_header).get(settings.SESSION_COOKIE_NAME)


def user_of(request: HttpRequest) -> User | AnonymousUser:
    """Returns who is signed in, and ends the session whose provider's word no longer holds."""
    user, session = get_user(request), cast(Any, request.session)
    if isinstance(user, User) and session_access.is_over(user.pk, session):
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
    is_own = session_access.signed_by_of(session) is None and not is_missing_for_operator(user)
    return is_own and support.going_on(user, session) is None


def operator_of_session(session_key: str | None) -> User | None:
    """Returns the operator of a session as the database has it now."""
    if not session_key:
        return None
    user, session = _signed_in(session_key)
    return user if isinstance(user, User) and is_operator(user, session) else None


def actors_of_sessions(asked: Collection[tuple[str, UUID, str]]) -> dict[tuple[str, UUID, str], Actor]:
    """Returns the actors of sessions in tenants from addresses, by seven queries at most however many there are.

    Only of those of which that shows beyond doubt who may come in; of all others `actor_of_session` says what holds.
    """
    store = import_module(settings.SESSION_ENGINE).SessionStore
    rows = store.get_model_class().objects.filter(expire_date__gt=timezone.now())
    sessions: dict[str, Any] = {
        row.session_key: row.get_decoded() for row in rows.filter(session_key__in={key for key, *_ in asked})
    }
    people = {key: found for key, session in sessions.items() if (found := _user_and_provider(session)) is not None}
    members = _members_by_session(people, {(key, tenant) for key, tenant, _address in asked})
    strict = {member.user_id for member in members.values() if member.tenant.second_factor_from is not None}
    secured = who_have_one(strict) if strict else set()
    actors = {}
    for key, tenant_id, address in asked:
        member = members.get((key, tenant_id))
        if member is None or not session_access.lets_in(member.tenant, address):
            continue
        _user_id, signed_by = people[key]
        has_factor = member.user_id in secured or (signed_by is not None and signed_by["factor"])
        if (member.tenant.second_factor_from is None or has_factor) and _is_of(sessions[key], member.user):
            actors[key, tenant_id, address] = access.member_actor(member, address)
    return actors


def _members_by_session(
    people: Mapping[str, tuple[int, SignedBy | None]], asked: Collection[tuple[str, UUID]]
) -> dict[tuple[str, UUID], Member]:
    """Returns the memberships of these tenants that sessions open, by session and tenant."""
    own_ids = {user_id for user_id, signed_by in people.values() if signed_by is None}
    own = {
        (one.user_id, one.tenant_id): one
        for one in session_access.own_members(own_ids, {tenant for _key, tenant in asked})
    }
    tied = session_access.tied_members({signed_by["identity"] for _user_id, signed_by in people.values() if signed_by})
    members = {}
    for key, tenant_id in asked:
        user_id, signed_by = people.get(key, (0, None))
        if signed_by is None:
            member = own.get((user_id, tenant_id))
        else:
            member = tied.get((signed_by["identity"], signed_by["generation"]))
            if member is None or (member.user_id, str(member.tenant_id)) != (user_id, signed_by["tenant"]):
                continue
        if member is not None and member.tenant_id == tenant_id:
            members[key, tenant_id] = member
    return members


def _user_and_provider(session: Mapping[str, Any]) -> tuple[int, SignedBy | None] | None:
    """Returns whose session it is, and who signed them in if not themselves; None where it may act for a member."""
    user_id = str(session.get(SESSION_KEY, ""))
    is_open = session.get(BACKEND_SESSION_KEY) in settings.AUTHENTICATION_BACKENDS
    if session_access.SUPPORT in session or not user_id.isdecimal() or not is_open:
        return None
    return int(user_id), session_access.signed_by_of(session)


def _is_of(session: Mapping[str, Any], user: User) -> bool:
    """Returns whether a session was begun with the password that somebody has, as Django's get_user does."""
    signed = session.get(HASH_SESSION_KEY, "")
    hashes = (user.get_session_auth_hash(), *user.get_session_auth_fallback_hash())
    return any(constant_time_compare(signed, one) for one in hashes)


def actor_of_session(
    session_key: str | None, tenant_id: str | None = None, address: str = "", page: Page | None = None
) -> Actor | None:
    """Returns the actor of a session as the database has it now, password changes and sign-outs included.

    Without `tenant_id` it is the actor in the tenant that the session chose; with it, in that one or none. Raises
    TenantMismatch if `page` was drawn for another one, and TenantClosed.
    """
    if not session_key:
        return None
    user, session = _signed_in(session_key)
    if not user.is_authenticated:
        return None
    return session_access.session_actor(user.pk, session, address, page, tenant_id)


def _signed_in(session_key: str) -> tuple[AbstractBaseUser | AnonymousUser, Any]:
    """Returns who is signed in, and their session, which is only read.

    Django gives a session that a former secret signed a new key. Here no answer would bring it to the browser.
    """
    session: Any = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    session.cycle_key = session.flush = lambda: None
    return get_user(cast(HttpRequest, SimpleNamespace(session=session))), session

"""Says who sends a request: by an API key, a directory's token, a session or a socket ticket. Nothing else reads those.

A request is authenticated once, and its Caller travels in the ASGI scope. That happens where it is first asked for:
before the body for uploads, else in the thread in which the view runs anyway.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.translation import gettext as _
from rest_framework.authentication import CSRFCheck

from portal.http.asgi import Scope, header, scope_of
from portal.http.outage import AWAY
from portal.http.routes import ALWAYS, REMOVING, Credentials, route_of
from portal.http.sessions import actor_of_session, actors_of_sessions, operator_of_session, session_key_of
from portal.tickets import service as tickets
from tenants import addresses, announcements, api_keys, directory, people_addresses, session_access
from tenants.access import Actor
from tenants.announcements import ReadingOnly
from tenants.api_keys import Bearer, KeyRefused
from tenants.models import User
from tenants.session_access import AddressRefused, Page, TenantClosed, TenantMismatch

SCOPE_KEY = "portal.caller"
TICKET, PAGE_TENANT = "ticket", "tenant"
"""Parameters of a socket's address."""

REALTIME = "/v1/realtime"
"""The one socket that a program opens with its key, as OpenAI has it."""

LINKS = "/s/"
PROVIDERS = "/accounts/login/organisation/"

REALTIME_PROTOCOL, KEY_PROTOCOL = "realtime", "openai-insecure-api-key."
"""Subprotocols of that socket: browsers can't set its headers, and name the key in the second one."""


@dataclass(frozen=True)
class Caller:
    """Who sends a request. Without `actor` nobody is known; `refusal` is why, where the sender may be told."""

    actor: Actor | None = None
    refusal: KeyRefused | TenantMismatch | TenantClosed | ReadingOnly | None = None

    def checked(self) -> Actor | None:
        """Returns the actor; None for nobody.

        Raises KeyRefused, TenantMismatch for a page of another tenant, TenantClosed, and ReadingOnly where
        nothing is changed now.
        """
        if self.refusal is not None:
            raise self.refusal
        return self.actor


def caller_of(scope: Scope) -> Caller:
    """Returns who sends the request of this scope; the first call asks the database."""
    if SCOPE_KEY not in scope:
        scope[SCOPE_KEY] = _authenticate(scope)
    caller: Caller = scope[SCOPE_KEY]
    return caller


def caller_of_request(request: HttpRequest) -> Caller:
    """Returns the same for a Django request; of a page's, from the session and the user that Django has loaded."""
    scope = scope_of(request)
    if SCOPE_KEY not in scope and route_of(scope).credentials is Credentials.SESSION:
        scope[SCOPE_KEY] = _caller_by_django_session(request)
    return caller_of(scope)


def is_known(scope: Scope) -> bool:
    """Returns whether the request was authenticated before."""
    return SCOPE_KEY in scope


def forget(scope: Scope) -> None:
    """Makes the next call authenticate anew: a key may be revoked, or a member removed, while a long body comes."""
    scope.pop(SCOPE_KEY, None)


def renewed(scope: Scope) -> Actor | None:
    """Returns the actor of an open socket as the database has it now, in the same tenant; None once it may not stay."""
    known, address = caller_of(scope).actor, addresses.of_scope(scope)
    if known is None:
        return None
    if known.key is not None:
        return api_keys.actor_of(Bearer(known.key.id, known.secret_prefix), address)
    with suppress(TenantClosed):
        return actor_of_session(_session_key(scope), str(known.tenant.id), address)
    return None


def recheck_key(scope: Scope) -> Hashable:
    """Returns by what `renewed` decides: open sockets for which it is equal get the same answer."""
    known = caller_of(scope).actor
    if known is not None and known.key is not None:
        return known.key.id, known.secret_prefix, addresses.of_scope(scope)
    return _session_asked(scope)


def renewed_in_bulk(scopes: Sequence[Scope]) -> list[Actor | None]:
    """Returns what `renewed` does for open sockets, without as many queries; None where that must be asked alone."""
    asked = [_session_asked(scope) for scope in scopes]
    actors = actors_of_sessions({one for one in asked if one is not None})
    return [actors.get(one) if one is not None else None for one in asked]


def renewed_one_by_one(scopes: Sequence[Scope]) -> list[Actor | Exception | None]:
    """Returns what `renewed` returns, or raises, for each. Raises AWAY: every other one would wait for the database."""
    return [_renewed_or_error(scope) for scope in scopes]


def _renewed_or_error(scope: Scope) -> Actor | Exception | None:
    try:
        return renewed(scope)
    except AWAY:
        raise
    except Exception as error:
        return error


def _session_asked(scope: Scope) -> tuple[str, UUID, str] | None:
    """Returns session, tenant and address of a socket that a page has open."""
    known, session_key = caller_of(scope).actor, _session_key(scope)
    if known is None or known.key is not None or not session_key:
        return None
    return session_key, known.tenant.id, addresses.of_scope(scope)


def operator_of(scope: Scope) -> User | None:
    """Returns the operator whose page opens a socket, as the database has them now.

    None for a program's, which may come from anybody's page: it has a ticket or a key, and cookies say nothing.
    """
    if ticket_of(scope) is not None or socket_key_of(scope) is not None:
        return None
    return operator_of_session(_session_key(scope))


def language_of(scope: Scope) -> str:
    """Returns the language of whoever opens a socket, by their cookie and their browser."""
    request = ASGIRequest({**scope, "method": "GET"}, BytesIO())
    return translation.get_language_from_request(request)


def ticket_of(scope: Scope) -> str | None:
    """Returns the ticket in a socket's address; None without one."""
    return next(iter(_query(scope).get(TICKET, ())), None)


def socket_key_of(scope: Scope) -> str | None:
    """Returns the key that opens a realtime socket; None without one."""
    if scope["path"].rstrip("/") != REALTIME:
        return None
    scheme, _space, secret = header(scope, "authorization").partition(" ")
    if scheme.lower() == "bearer":
        return secret.strip()
    offered: list[str] = scope.get("subprotocols", [])
    return next((name.removeprefix(KEY_PROTOCOL) for name in offered if name.startswith(KEY_PROTOCOL)), None)


def claimed_identity(scope: Scope) -> Hashable:
    """Returns what a request says of its sender, unverified: for sharing threads before anybody has asked.

    At a share link, which asks for no account, that is its address, whatever else it says; where a provider is asked,
    the tenant whose it is.
    """
    path: str = scope.get("path", "")
    if path.startswith(LINKS):
        return addresses.site_of(addresses.of_scope(scope))
    if path.startswith(PROVIDERS) and path != PROVIDERS:
        return path.removeprefix(PROVIDERS).partition("/")[0]
    return header(scope, "authorization") or _session_key(scope) or (scope.get("client") or ("",))[0]


def check_csrf(request: HttpRequest, actor: Actor) -> None:
    """Raises PermissionDenied where a session's request changes something without the page's token.

    Another site can't send a key, so those need none.
    """
    if actor.key is not None or request.method in session_access.SAFE_METHODS:
        return
    check = CSRFCheck(lambda _request: HttpResponse())
    check.process_request(request)
    if check.process_view(request, lambda *_: HttpResponse(), (), {}):
        raise PermissionDenied(_("The page's security token is missing or too old. Reload the page."))


@contextmanager
def request_before_django(scope: Scope) -> Iterator[HttpRequest]:
    """Gives the request, without its body, and its language to what runs before Django's middleware does."""
    request = ASGIRequest(dict(scope), BytesIO())
    with translation.override(translation.get_language_from_request(request)):
        yield request


def _authenticate(scope: Scope) -> Caller:
    try:
        actor = _socket_actor(scope) if scope["type"] == "websocket" else _request_actor(scope)
        return Caller(_admitted(scope, actor))
    except (KeyRefused, TenantMismatch, TenantClosed, ReadingOnly) as refusal:
        return _refused(refusal)


def _refused(refusal: KeyRefused | TenantMismatch | TenantClosed | ReadingOnly) -> Caller:
    if isinstance(refusal, AddressRefused):
        people_addresses.note_refusal(refusal)
    return Caller(refusal=refusal)


def _admitted(scope: Scope, actor: Actor | None) -> Actor | None:
    """Raises ReadingOnly."""
    method, path = scope.get("method", ""), scope["path"]
    if scope["type"] == "websocket":
        changes = path.rstrip("/") == REALTIME
    else:
        changes = method not in session_access.SAFE_METHODS and ALWAYS.fullmatch(f"{method} {path}") is None
    if actor is not None and changes:
        announcements.require_changes(actor, removes=REMOVING.fullmatch(f"{method} {path}") is not None)
    return actor


def _request_actor(scope: Scope) -> Actor | None:
    """Raises KeyRefused, TenantMismatch and TenantClosed."""
    credentials, address = route_of(scope).credentials, addresses.of_scope(scope)
    if credentials is not Credentials.SESSION:
        scheme, _space, secret = header(scope, "authorization").partition(" ")
        if credentials is Credentials.DIRECTORY:
            return directory.authenticate(secret.strip(), address) if scheme.lower() == "bearer" else None
        if scheme.lower() == "bearer":
            return api_keys.authenticate(secret.strip(), address)
        if credentials is Credentials.KEY:
            return None
    page = Page(
        header(scope, session_access.PAGE_TENANT_HEADER.lower()), scope["method"] not in session_access.SAFE_METHODS
    )
    return actor_of_session(_session_key(scope), address=address, page=page)


def _socket_actor(scope: Scope) -> Actor | None:
    """Raises KeyRefused, TenantMismatch and TenantClosed.

    With a ticket or a key a socket is a program's, and cookies say nothing.
    """
    address, ticket = addresses.of_scope(scope), ticket_of(scope)
    if (secret := socket_key_of(scope)) is not None:
        return api_keys.authenticate(secret, address)
    if ticket is not None:
        bearer = tickets.redeem(ticket)
        return api_keys.actor_of(bearer, address) if bearer else None
    page = Page(_query(scope).get(PAGE_TENANT, [""])[0])
    return actor_of_session(_session_key(scope), address=address, page=page)


def _caller_by_django_session(request: HttpRequest) -> Caller:
    if not isinstance(request.user, User):
        return Caller()
    session: Any = request.session
    try:
        address, page = addresses.of_request(request), Page.of_request(request)
        actor = session_access.session_actor(request.user.pk, session, address, page)
        if actor is None or actor.visit is None:
            session.pop(session_access.SUPPORT, None)  # the visit is over
        return Caller(_admitted(scope_of(request), actor))
    except (TenantMismatch, TenantClosed, ReadingOnly) as refusal:
        return _refused(refusal)


def _session_key(scope: Scope) -> str | None:
    return session_key_of(header(scope, "cookie"))


def _query(scope: Scope) -> dict[str, list[str]]:
    return parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)

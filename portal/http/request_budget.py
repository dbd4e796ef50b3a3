"""Each request with a key is counted once, wherever its key is read first: before an upload's body, or in the view."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from django.http import HttpRequest

from tenants import rate_limit
from tenants.access import Actor
from tenants.rate_limit import Room, TooManyRequests

SCOPE_KEY = "portal.http.request_budget"


def spend(scope: MutableMapping[str, Any], actor: Actor) -> None:
    """Counts the request of this ASGI scope; those of signed-in people are not. Raises TooManyRequests.

    Asked again in the same scope, it gives the same answer and counts nothing.
    """
    if actor.key is None:
        return
    if SCOPE_KEY not in scope:
        scope[SCOPE_KEY] = _outcome(actor)
    if isinstance(scope[SCOPE_KEY], TooManyRequests):
        raise scope[SCOPE_KEY]


def scope_of(request: HttpRequest) -> MutableMapping[str, Any]:
    """The ASGI scope of a request; where the server speaks WSGI, as Django's test client does, one of its own."""
    if not hasattr(request, "scope"):
        request.scope = {}  # type: ignore[attr-defined]
    scope: MutableMapping[str, Any] = request.scope  # type: ignore[attr-defined]
    return scope


def outcome_of(request: HttpRequest) -> Room | TooManyRequests | None:
    """What came of counting a request; None where it was not counted."""
    outcome: Room | TooManyRequests | None = scope_of(request).get(SCOPE_KEY)
    return outcome


def _outcome(actor: Actor) -> Room | TooManyRequests:
    try:
        return rate_limit.take(actor.tenant)
    except TooManyRequests as refused:
        return refused

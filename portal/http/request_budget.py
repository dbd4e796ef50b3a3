"""Counts each request with a key once: before an upload's body, or in the view."""

from __future__ import annotations

from django.http import HttpRequest

from portal.http.asgi import Scope, scope_of
from tenants import rate_limit, refusals
from tenants.access import Actor
from tenants.rate_limit import Allowance, TooManyRequests

SCOPE_KEY = "portal.http.request_budget"


def spend(scope: Scope, actor: Actor) -> None:
    """Counts the request of this scope; those of signed-in people are not counted. Raises TooManyRequests.

    Called again for the same scope, it gives the same outcome and counts nothing.
    """
    if actor.key is None:
        return
    if SCOPE_KEY not in scope:
        scope[SCOPE_KEY] = _outcome(actor)
    if isinstance(scope[SCOPE_KEY], TooManyRequests):
        raise scope[SCOPE_KEY]


def outcome_of(request: HttpRequest) -> Allowance | TooManyRequests | None:
    """Returns what came of counting a request; None where it was not counted."""
    outcome: Allowance | TooManyRequests | None = scope_of(request).get(SCOPE_KEY)
    return outcome


def _outcome(actor: Actor) -> Allowance | TooManyRequests:
    try:
        return rate_limit.take(actor.tenant)
    except TooManyRequests as refused:
        refusals.count(actor.tenant, "requests_per_minute")
        return refused

"""Each request with a key is counted once, wherever its key is read first: before an upload's body, or in the view."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from tenants import requests
from tenants.access import Actor
from tenants.requests import TooManyRequests

SCOPE_KEY = "portal.budget"


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


def _outcome(actor: Actor) -> TooManyRequests | None:
    try:
        requests.take(actor.tenant)
    except TooManyRequests as refused:
        return refused
    return None

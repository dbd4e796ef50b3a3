"""`Authorization: Bearer KEY`, the same way for every API."""

from __future__ import annotations

from django.http import HttpRequest

from tenants import addresses, api_keys
from tenants.access import Actor


def actor_of(request: HttpRequest) -> Actor | None:
    """The actor of the key a request carries; None without a valid one. Raises KeyRefused."""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    return api_keys.authenticate(secret.strip(), addresses.of_request(request))

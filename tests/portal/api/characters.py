"""Programs with keys of each scope, and how they ask."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import time_machine
from django.test import Client
from django.utils import timezone

from tenants import api_keys, scope
from tenants.models import KeyScope
from tests.conftest import Character


def bearer(who: Character, key_scope: str = KeyScope.ADMIN, **limits: Any) -> dict[str, str]:
    """The headers of a program of `who`'s tenant with a new key."""
    with scope.bound(who.tenant.id):
        _key, secret = api_keys.create(who.actor, f"A key to {key_scope}", key_scope, **limits)
    return {"Authorization": f"Bearer {secret}"}


def expired(who: Character, key_scope: str = KeyScope.WRITE) -> dict[str, str]:
    """The same with a key of yesterday."""
    now = timezone.now()
    with time_machine.travel(now - timedelta(days=1), tick=False):
        return bearer(who, key_scope, expires_at=now - timedelta(hours=1))


def send(client: Client, method: str, path: str, headers: dict[str, str] | None = None, body: Any = None) -> Any:
    """A request with a JSON body, where there is one."""
    content = b"" if body is None else json.dumps(body).encode()
    kind = "application/json" if content else ""
    return client.generic(method, path, content, content_type=kind, headers=headers or {})

"""Authenticates requests by the secrets of API keys."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from tenants import addresses as networks
from tenants import scope
from tenants.access import Actor, key_actor
from tenants.api_keys import secrets
from tenants.api_keys.errors import ADDRESS, EXPIRED, REPLACED, KeyRefused
from tenants.api_keys.secrets import Secret
from tenants.models import ApiKey

LAST_USED_STEP = timedelta(minutes=1)


@dataclass(frozen=True)
class Bearer:
    """Identifies an authenticated key and secret, for long-lived connections that check it again later."""

    key_id: UUID
    secret_prefix: str


def authenticate(secret: str, address: str = "") -> Actor | None:
    """Returns the actor of a secret; None if it is unknown or its key or tenant is inactive.

    `address` is the client's, in the form of tenants.addresses. Raises KeyRefused.
    """
    given = secrets.parse(secret)
    if given is None:
        return None
    key, is_old = _key_of_secret(given)
    if key is None or key.is_revoked or not key.tenant.is_active:
        return None
    _check_usable(key, is_old, address)
    _record_use(key, is_old)
    return key_actor(key, given.prefix, address)


def actor_of(bearer: Bearer, address: str | None = None) -> Actor | None:
    """Returns the actor of a bearer with its current data from the database, for long-lived connections.

    Returns None once the key is revoked or expired, the tenant inactive, the secret replaced and its grace period
    over, or the `address`, if given, not allowed.
    """
    with scope.across_tenants("the key says which tenant"):
        key = ApiKey.objects.filter(id=bearer.key_id).select_related("tenant", "tenant__quota").first()
    if key is None or not key.tenant.is_active or not _secret_is_valid(key, bearer.secret_prefix):
        return None
    if address is not None and not _allows_address(key, address):
        return None
    return key_actor(key, bearer.secret_prefix, address or "")


def _key_of_secret(given: Secret) -> tuple[ApiKey | None, bool]:
    """Returns the key of a secret, and whether it is the key's old secret."""
    with scope.across_tenants("the key says which tenant"):
        candidates = ApiKey.objects.filter(Q(prefix=given.prefix) | Q(old_prefix=given.prefix))
        for candidate in candidates.select_related("tenant", "tenant__quota"):
            if hmac.compare_digest(candidate.digest, given.digest):
                return candidate, False
            if hmac.compare_digest(candidate.old_digest, given.digest):
                return candidate, True
    return None, False


def _check_usable(api_key: ApiKey, is_old: bool, address: str) -> None:
    """Raises KeyRefused."""
    if is_old and not (api_key.old_until and api_key.old_until > timezone.now()):
        raise KeyRefused(REPLACED, _("This secret was replaced when its key was rotated. Use the new one."))
    if api_key.is_expired:
        raise KeyRefused(EXPIRED, _("This key has expired. Whoever manages your keys may give it a later date."))
    if not _allows_address(api_key, address):
        message = _("This key may not be used from %(address)s. Whoever manages your keys may allow that address.")
        raise KeyRefused(ADDRESS, message % {"address": address or _("an unknown address")})


def _secret_is_valid(api_key: ApiKey, secret_prefix: str) -> bool:
    if secret_prefix == api_key.prefix:
        return api_key.is_live
    return secret_prefix == api_key.old_prefix and api_key.old_is_live


def _allows_address(api_key: ApiKey, address: str) -> bool:
    return not api_key.addresses or networks.cover(api_key.addresses, address)


def _record_use(api_key: ApiKey, is_old: bool) -> None:
    now = timezone.now()
    field, last = ("old_last_used_at", api_key.old_last_used_at) if is_old else ("last_used_at", api_key.last_used_at)
    if last is None or last < now - LAST_USED_STEP:
        stale = Q(**{field: None}) | Q(**{f"{field}__lt": now - LAST_USED_STEP})
        with scope.bound(api_key.tenant_id):
            ApiKey.objects.filter(stale, id=api_key.id).update(**{field: now})

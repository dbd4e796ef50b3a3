"""Keys of programs: `wp_<prefix>_<secret><checksum>`, shown once, kept as a SHA-256 digest.

The secret has 256 bits of entropy, so a plain digest is as good as a slow one; the checksum (CRC-32,
as GitHub's tokens have it) refuses a mistyped key without a query.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import zlib
from datetime import timedelta
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from tenants import scope
from tenants.access import Actor, of_key
from tenants.models import ApiKey, Tenant, User

BRAND = "wp"
LAST_USED_STEP = timedelta(minutes=1)


def issue(tenant: Tenant, name: str, created_by: User | None = None) -> tuple[ApiKey, str]:
    """A new key and its secret, which is never to be seen again."""
    prefix = secrets.token_hex(4)
    body = f"{BRAND}_{prefix}_{secrets.token_urlsafe(32)}"
    secret = body + _checksum(body)
    with scope.bound(tenant.id):
        key = ApiKey.objects.create(
            tenant=tenant, name=name[:100], prefix=prefix, digest=_digest(secret), created_by=created_by
        )
    return key, secret


def authenticate(secret: str) -> Actor | None:
    """The actor behind a key; None for a wrong, mistyped, revoked or switched-off one."""
    parts = secret.split("_", 2)
    if len(parts) != 3 or parts[0] != BRAND or _checksum(secret[:-8]) != secret[-8:]:
        return None
    with scope.across_tenants("the key says which tenant"):
        key = ApiKey.objects.filter(prefix=parts[1]).select_related("tenant", "tenant__quota").first()
    if key is None or not hmac.compare_digest(key.digest, _digest(secret)) or not _opens(key):
        return None
    _touch(key)
    return of_key(key)


def actor_of(key_id: UUID) -> Actor | None:
    """The actor behind a key that was authenticated before, as the database has it now; None once it is revoked."""
    with scope.across_tenants("the key says which tenant"):
        key = ApiKey.objects.filter(id=key_id).select_related("tenant", "tenant__quota").first()
    return of_key(key) if key is not None and _opens(key) else None


def revoke(actor: Actor, key_id: UUID) -> bool:
    """True when the key was live until now. Raises PermissionDenied."""
    actor.require("keys.manage")
    live = ApiKey.objects.filter(id=key_id, tenant=actor.tenant, revoked_at=None)
    return live.update(revoked_at=timezone.now()) == 1


def _opens(key: ApiKey) -> bool:
    return key.is_live and key.tenant.is_active


def _touch(key: ApiKey) -> None:
    now = timezone.now()
    stale = Q(last_used_at=None) | Q(last_used_at__lt=now - LAST_USED_STEP)
    if key.last_used_at is None or key.last_used_at < now - LAST_USED_STEP:
        with scope.bound(key.tenant_id):
            ApiKey.objects.filter(stale, id=key.id).update(last_used_at=now)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"

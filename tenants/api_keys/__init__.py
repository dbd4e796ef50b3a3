"""API keys: created, authenticated, changed, rotated and revoked.

A key has a scope, an expiry and a list of allowed addresses. Its secret is shown once; after a rotation the old secret
works for a grace period. Nobody can grant a key more than they have: a member no more than their role allows, a key no
wider scope, no later expiry and no other addresses than its own.
"""

from tenants.api_keys.authentication import Bearer, actor_of, authenticate
from tenants.api_keys.errors import ADDRESS, EXPIRED, REPLACED, InvalidKey, KeyConflict, KeyRefused
from tenants.api_keys.management import (
    GRACE,
    LONGEST_GRACE,
    LONGEST_NAME,
    Changes,
    change,
    checked_folders,
    create,
    end_old_secret,
    issue,
    keep,
    key,
    keys,
    revoke,
    rotate,
    tell_of_key,
    with_makers,
)

__all__ = [
    "ADDRESS",
    "EXPIRED",
    "GRACE",
    "LONGEST_GRACE",
    "LONGEST_NAME",
    "REPLACED",
    "Bearer",
    "Changes",
    "InvalidKey",
    "KeyConflict",
    "KeyRefused",
    "actor_of",
    "authenticate",
    "change",
    "checked_folders",
    "create",
    "end_old_secret",
    "issue",
    "keep",
    "key",
    "keys",
    "revoke",
    "rotate",
    "tell_of_key",
    "with_makers",
]

"""A tenant's API keys."""

from __future__ import annotations

from typing import Literal, TypedDict


class OldSecret(TypedDict):
    """The secret from before the last rotation, as long as it opens."""

    prefix: str | None
    until: str | None
    last_used_at: str | None


class KeyBody(TypedDict):
    """A program's way in, without its secret."""

    id: str
    name: str
    prefix: str
    scope: str
    state: str
    addresses: list[str]
    created_at: str
    created_by: str | None
    creator_status: Literal["member", "operator", "inactive", "gone"] | None
    expires_at: str | None
    last_used_at: str | None
    revoked_at: str | None
    old_secret: OldSecret | None


class KeySecretBody(KeyBody):
    """With its secret, which is shown this once."""

    secret: str

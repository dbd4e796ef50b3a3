"""Secrets and signatures by Standard Webhooks.

A secret is derived from the installation's SECRET_KEY and the endpoint's salt, so that nobody can sign with a copy of
the database. After SECRET_KEY was changed, an old secret is still derived as long as the old key is among
SECRET_KEY_FALLBACKS; without it the endpoint needs a new one.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.utils.encoding import force_bytes

BRAND = "whsec_"
PURPOSE = b"whisper-portal webhook secret"


class SecretLost(Exception):
    """The SECRET_KEY that the secret was derived from is not configured any more."""


@dataclass(frozen=True)
class Made:
    """A new secret, which is shown once, and what is stored of it."""

    secret: str
    salt: str
    digest: str


def make(endpoint_id: UUID) -> Made:
    salt = secrets.token_hex(16)
    key = _derived(settings.SECRET_KEY, endpoint_id, salt)
    return Made(BRAND + base64.b64encode(key).decode(), salt, _digest(key))


def recalled(endpoint_id: UUID, salt: str, digest: str) -> bytes:
    """Returns the key of a secret that was made before. Raises SecretLost."""
    for installation_key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        key = _derived(installation_key, endpoint_id, salt)
        if hmac.compare_digest(_digest(key), digest):
            return key
    raise SecretLost


def headers(message_id: str, moment: datetime, body: bytes, keys: Sequence[bytes]) -> dict[str, str]:
    """Returns the headers of a message that is sent at `moment`, with one signature for each key."""
    timestamp = str(int(moment.timestamp()))
    signed = f"{message_id}.{timestamp}.".encode() + body
    signatures = (base64.b64encode(hmac.digest(key, signed, "sha256")).decode() for key in keys)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def _derived(installation_key: str | bytes, endpoint_id: UUID, salt: str) -> bytes:
    return hmac.digest(force_bytes(installation_key), PURPOSE + endpoint_id.bytes + bytes.fromhex(salt), "sha256")


def _digest(key: bytes) -> str:
    return hashlib.sha256(key).hexdigest()

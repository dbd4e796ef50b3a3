"""The secret of a link, and the address that it makes."""

from __future__ import annotations

import hashlib
from uuid import UUID

from django.conf import settings
from django.core import signing

SIGNER = signing.Signer(salt="transcription.shares.guests")


def digest_of(secret: str) -> str:
    """With 192 bits of entropy a plain digest is as safe as a slow password hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


def address_of(secret: str) -> str:
    """Returns the link as it is handed to people."""
    return f"{settings.PORTAL_URL}/s/{secret}/"


def guest_secret(share_id: UUID) -> str:
    """Returns the secret of a guest's link: a signature of its id, so that it can be mailed and is stored nowhere."""
    return SIGNER.signature(str(share_id))

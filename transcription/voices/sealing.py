"""Encrypts voices with a key made of the installation's SECRET_KEY: a copy of the database alone gives none away.

After SECRET_KEY was changed, what was sealed before is read as long as the old key is among SECRET_KEY_FALLBACKS.
"""

from __future__ import annotations

import base64
import hmac

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.utils.encoding import force_bytes

PURPOSE = b"whisper-portal voices"


class SecretLost(Exception):
    """The SECRET_KEY under which this was sealed is not configured any more."""


def seal(content: bytes) -> bytes:
    return _keys().encrypt(content)


def unseal(sealed: bytes | memoryview[int]) -> bytes:
    """Raises SecretLost."""
    try:
        return _keys().decrypt(bytes(sealed))
    except InvalidToken:
        raise SecretLost from None


def _keys() -> MultiFernet:
    secrets = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    keys = (hmac.digest(force_bytes(secret), PURPOSE, "sha256") for secret in secrets)
    return MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in keys])

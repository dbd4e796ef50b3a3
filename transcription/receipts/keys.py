"""The portal's keys for receipts, derived from SECRET_KEY and its fallbacks."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from transcription.receipts.signatures import public_text

PURPOSE = b"whisper-portal receipts, Ed25519"


def signing_key() -> Ed25519PrivateKey:
    return _derived(settings.SECRET_KEY)


def public_keys() -> list[str]:
    """Returns the portal's public keys in base64, the one that signs now first."""
    secrets = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return [public_text(_derived(secret).public_key()) for secret in secrets]


def _derived(secret: str) -> Ed25519PrivateKey:
    seed = HKDF(algorithm=SHA256(), length=32, salt=None, info=PURPOSE).derive(secret.encode())
    return Ed25519PrivateKey.from_private_bytes(seed)

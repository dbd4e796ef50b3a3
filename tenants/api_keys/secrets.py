"""Secrets of API keys: `wp_<prefix>_<256 random bits><checksum>`. The public prefix identifies the key.

With 256 bits of entropy a plain digest is as safe as a slow password hash. The checksum (CRC-32, as in GitHub's
tokens) rejects a mistyped secret without a query.
"""

from __future__ import annotations

import hashlib
import secrets
import zlib
from dataclasses import dataclass

BRAND = "wp"


@dataclass(frozen=True)
class Secret:
    """A secret. `text` is shown once; `prefix` and the SHA-256 `digest` are stored."""

    text: str
    prefix: str
    digest: str


def make() -> Secret:
    prefix = secrets.token_hex(4)
    body = f"{BRAND}_{prefix}_{secrets.token_urlsafe(32)}"
    text = body + _checksum(body)
    return Secret(text, prefix, _digest(text))


def parse(text: str) -> Secret | None:
    """Returns the secret, or None if the format or the checksum is wrong."""
    parts = text.split("_", 2)
    if len(parts) != 3 or parts[0] != BRAND or not parts[1].isalnum() or _checksum(text[:-8]) != text[-8:]:
        return None
    return Secret(text, parts[1], _digest(text))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"

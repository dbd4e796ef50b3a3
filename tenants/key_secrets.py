"""Secrets of API keys: `wp_<prefix>_<256 random bits><checksum>`. The prefix is public and finds the key.

The random part has so much entropy that a plain digest is as good as a slow one; the checksum (CRC-32, as
GitHub's tokens have it) refuses a mistyped secret without a query.
"""

from __future__ import annotations

import hashlib
import secrets
import zlib
from dataclasses import dataclass

BRAND = "wp"


@dataclass(frozen=True)
class Secret:
    """`text` is shown once, `prefix` and the SHA-256 `digest` are kept."""

    text: str
    prefix: str
    digest: str


def make() -> Secret:
    prefix = secrets.token_hex(4)
    body = f"{BRAND}_{prefix}_{secrets.token_urlsafe(32)}"
    text = body + _checksum(body)
    return Secret(text, prefix, _digest(text))


def read(text: str) -> Secret | None:
    """None for what can't be one."""
    parts = text.split("_", 2)
    if len(parts) != 3 or parts[0] != BRAND or not parts[1].isalnum() or _checksum(text[:-8]) != text[-8:]:
        return None
    return Secret(text, parts[1], _digest(text))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"

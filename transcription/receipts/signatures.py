"""Signs receipts, and verifies them without a portal: of everything else this module needs nothing.

A signed receipt is JSON with the receipt and an Ed25519 signature (RFC 8032) of its canonical form (RFC 8785). Receipts
have no fractions, so that their canonical form is their JSON without spaces and with sorted names.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ALGORITHM = "Ed25519"
LONGEST = 16 * 1024 * 1024  # bytes


class InvalidReceipt(Exception):
    """The file is no receipt, or was changed after it was signed. The message is for people."""


@dataclass(frozen=True)
class Verified:
    """A genuine receipt. public_key: in base64, of whoever signed it."""

    receipt: dict[str, Any]
    public_key: str


def signed(receipt: dict[str, Any], key: Ed25519PrivateKey) -> dict[str, Any]:
    """Returns the receipt with its signature."""
    signature = key.sign(_canonical(receipt))
    return {
        "receipt": receipt,
        "signature": {
            "algorithm": ALGORITHM,
            "public_key": public_text(key.public_key()),
            "value": b64encode(signature).decode(),
        },
    }


def verified(text: str | bytes, trusted: Collection[str] = ()) -> Verified:
    """Returns what was signed. trusted: the public keys of which one must have signed it; any if there are none.

    Raises InvalidReceipt.
    """
    try:
        if len(text) > LONGEST:
            raise ValueError
        parts = json.loads(text)
        receipt, signature = dict(parts["receipt"]), parts["signature"]
        public_key, value = str(signature["public_key"]), b64decode(signature["value"], validate=True)
        message = _canonical(receipt)
        key = Ed25519PublicKey.from_public_bytes(b64decode(public_key, validate=True))
    except (ValueError, TypeError, LookupError, RecursionError):
        raise InvalidReceipt("This is no receipt: a file of JSON with “receipt” and “signature” is needed.") from None
    try:
        key.verify(value, message)
    except InvalidSignature:
        raise InvalidReceipt("The receipt is not genuine: it was changed after it was signed.") from None
    if trusted and public_key not in trusted:
        raise InvalidReceipt(f"The receipt is not genuine: it was signed with another key, {public_key}.")
    return Verified(receipt, public_key)


def public_text(key: Ed25519PublicKey) -> str:
    return b64encode(key.public_bytes_raw()).decode()


def _canonical(receipt: dict[str, Any]) -> bytes:
    """Raises ValueError for fractions, whose form differs between languages, and for text that isn't Unicode."""
    if any(isinstance(value, float) for value in _values(receipt)):
        raise ValueError("Receipts have no fractions.")
    text = json.dumps(receipt, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode()


def _values(part: Any) -> list[Any]:
    if isinstance(part, dict):
        return [leaf for value in part.values() for leaf in _values(value)]
    if isinstance(part, list):
        return [leaf for value in part for leaf in _values(value)]
    return [part]

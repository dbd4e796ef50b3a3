"""Signs receipts, and verifies them without a portal: of everything else this module needs nothing.

A signed receipt is JSON with the receipt and an Ed25519 signature (RFC 8032) of its canonical form (RFC 8785). Receipts
have whole numbers only and names in ASCII, so that their canonical form is their JSON without spaces, sorted by name.
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
LARGEST = 2**53 - 1


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
        parts = json.loads(text, parse_float=_whole, parse_constant=_whole)
        receipt, signature = dict(parts["receipt"]), parts["signature"]
        public_key, value = str(signature["public_key"]), b64decode(signature["value"], validate=True)
        message = _canonical(receipt)
        key = Ed25519PublicKey.from_public_bytes(b64decode(public_key, validate=True))
    except (ValueError, TypeError, LookupError, OverflowError, RecursionError):
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
    """Raises ValueError for what languages write or sort in different ways, and for text that isn't Unicode."""
    _check(receipt)
    return json.dumps(receipt, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _check(part: Any) -> None:
    """Raises ValueError."""
    if isinstance(part, dict):
        if not all(name.isascii() for name in part):
            raise ValueError("Names are in ASCII.")
        part = list(part.values())
    if isinstance(part, list):
        for value in part:
            _check(value)
    elif isinstance(part, float) or (isinstance(part, int) and abs(part) > LARGEST):
        raise ValueError("Numbers are whole, and have 53 bits at most.")


def _whole(number: str) -> int:
    """Reads a whole number that is written as a fraction. Raises ValueError."""
    value = float(number)
    if not value.is_integer():
        raise ValueError("Numbers are whole.")
    return int(value)

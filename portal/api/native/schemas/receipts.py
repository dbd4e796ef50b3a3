"""Signed receipts."""

from __future__ import annotations

from typing import Any, TypedDict


class ReceiptSignatureBody(TypedDict):
    """A signature of the receipt's canonical JSON (RFC 8785); key and value are in base64."""

    algorithm: str
    public_key: str
    value: str


class ReceiptBody(TypedDict):
    """What became of a recording."""

    receipt: dict[str, Any]
    signature: ReceiptSignatureBody

"""Receipts of deleted tenants."""

from __future__ import annotations

import json
from typing import Any

from django.core.signing import BadSignature, Signer

from transcription.offboarding.models import Deletion
from transcription.receipts import keys, signatures
from transcription.receipts.signatures import InvalidReceipt

SALT = "whisper-portal receipt of a deleted tenant"


def write(row: Deletion, portal: str) -> str:
    """Returns the signed receipt of a finished deletion."""
    receipt = {
        "receipt": str(row.id),
        "kind": "tenant",
        "portal": portal,
        "tenant": {"id": str(row.tenant_uuid), "name": row.tenant_name},
        "requested_by": row.requested_by,
        "requested_at": row.requested_at.isoformat(),
        "finished_at": row.finished_at.isoformat() if row.finished_at else None,
        "archive": row.archive or "none was made",
        "erased": {"rows": row.erased, "media": row.media},
        "kept": {"ledger": row.ledger},
    }
    return json.dumps(signatures.signed(receipt, keys.signing_key()), ensure_ascii=False, indent=2)


def verified(text: str) -> dict[str, Any]:
    """Returns the contents of a deleted tenant's receipt if this portal signed it. Raises InvalidReceipt."""
    receipt = _verified_before(text) or signatures.verified(text, keys.public_keys()).receipt
    if not isinstance(receipt.get("tenant"), dict):
        raise InvalidReceipt("This is no receipt of a deleted tenant. Those of recordings are checked at /receipts/.")
    return receipt


def _verified_before(text: str) -> dict[str, Any] | None:
    """Returns the contents of a receipt from before there were public keys, signed with SECRET_KEY itself."""
    try:
        parts = json.loads(text)
        receipt = dict(parts["receipt"])
        canonical = json.dumps(receipt, sort_keys=True, separators=(",", ":"))
        Signer(salt=SALT).unsign(f"{canonical}:{parts['signature']}")
    except (ValueError, TypeError, LookupError, RecursionError, BadSignature):
        return None
    return receipt

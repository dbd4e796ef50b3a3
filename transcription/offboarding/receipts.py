"""Receipts of deleted tenants."""

from __future__ import annotations

import json
from typing import Any

from transcription.offboarding.models import Deletion
from transcription.receipts import keys, signatures


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
    """Returns a receipt's contents if this portal signed it. Raises InvalidReceipt."""
    return signatures.verified(text, keys.public_keys()).receipt

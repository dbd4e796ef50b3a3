"""Receipts of deletions: JSON, signed with the installation's SECRET_KEY."""

from __future__ import annotations

import json
from typing import Any

from django.core.signing import BadSignature, Signer

from transcription.offboarding.models import Deletion

SALT = "whisper-portal receipt of a deleted tenant"


class InvalidReceipt(Exception):
    """The receipt was not signed by this installation, or was changed. The message is for people."""


def write(row: Deletion, portal: str) -> str:
    """Returns the signed receipt of a finished deletion."""
    receipt = {
        "receipt": str(row.id),
        "portal": portal,
        "tenant": {"id": str(row.tenant_uuid), "name": row.tenant_name},
        "requested_by": row.requested_by,
        "requested_at": row.requested_at.isoformat(),
        "finished_at": row.finished_at.isoformat() if row.finished_at else None,
        "archive": row.archive or "none was made",
        "erased": {"rows": row.erased, "media": row.media},
        "kept": {"ledger": row.ledger},
    }
    return json.dumps({"receipt": receipt, "signature": Signer(salt=SALT).signature(_canonical(receipt))}, indent=2)


def verified(text: str) -> dict[str, Any]:
    """Returns a receipt's contents if it was signed with SECRET_KEY or a fallback. Raises InvalidReceipt."""
    try:
        parts = json.loads(text)
        receipt, signature = parts["receipt"], parts["signature"]
        Signer(salt=SALT).unsign(f"{_canonical(receipt)}:{signature}")
    except (ValueError, TypeError, LookupError):
        raise InvalidReceipt("This is no receipt: a file of JSON with “receipt” and “signature” is needed.") from None
    except BadSignature:
        message = "The receipt is not genuine: it was changed, or signed with another SECRET_KEY than this portal's."
        raise InvalidReceipt(message) from None
    return dict(receipt)


def _canonical(receipt: Any) -> str:
    """Returns the same text for the same receipt, however its JSON is formatted."""
    return json.dumps(receipt, sort_keys=True, separators=(",", ":"))

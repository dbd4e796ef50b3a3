"""Receipts of what was erased: JSON for people and programs, signed with the installation's SECRET_KEY."""

from __future__ import annotations

import json
from typing import Any

from django.core.signing import BadSignature, Signer

from transcription.offboarding.models import Deletion

SALT = "whisper-portal receipt of a deleted tenant"


class InvalidReceipt(Exception):
    """The receipt was not signed by this installation, or changed since. The message says so."""


def write(row: Deletion, portal: str) -> str:
    """The receipt of a deletion that is finished, and its signature."""
    told = {
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
    return json.dumps({"receipt": told, "signature": Signer(salt=SALT).signature(_canonical(told))}, indent=2)


def verified(text: str) -> dict[str, Any]:
    """What a receipt says. SECRET_KEY_FALLBACKS count, too. Raises InvalidReceipt."""
    try:
        parts = json.loads(text)
        told, signature = parts["receipt"], parts["signature"]
        Signer(salt=SALT).unsign(f"{_canonical(told)}:{signature}")
    except (ValueError, TypeError, LookupError):
        raise InvalidReceipt("This is no receipt: a file of JSON with “receipt” and “signature” is needed.") from None
    except BadSignature:
        message = "The receipt is not genuine: it was changed, or signed with another SECRET_KEY than this portal's."
        raise InvalidReceipt(message) from None
    return dict(told)


def _canonical(told: Any) -> str:
    """The same text for the same receipt, however its JSON is laid out."""
    return json.dumps(told, sort_keys=True, separators=(",", ":"))

"""Receipts of recordings: what was there, what was made of it, and who did what to it."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Count, Max, Min
from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext as _

from tenants import audit
from tenants.access import Actor
from tenants.models import AuditEntry, Tenant
from transcription.library.recordings import ERASED
from transcription.models import Recording, Transcription
from transcription.options.options import OPTIONS
from transcription.receipts import keys, signatures

FORMAT = "whisper-portal-receipt-1"
HIDDEN_OPTIONS = {"prompt", "hotwords"}
"""What people write into them is as confidential as a text: a receipt is shown to others."""


def receipt_of(actor: Actor, recording_id: UUID) -> dict[str, Any]:
    """Returns the signed receipt of a recording, also of one that is erased, and records that it was made.

    Of an erased one it has what stands in the audit log. Raises PermissionDenied, and Http404.
    """
    actor.require("audit.view")
    receipt = signed_receipt(actor.tenant, recording_id)
    audit.record(actor, "receipt.made", Recording(pk=recording_id))
    return receipt


def signed_receipt(tenant: Tenant, recording_id: UUID) -> dict[str, Any]:
    """Returns the receipt of one of the tenant's recordings. Raises Http404. Checks no permission."""
    row = Recording.objects.filter(tenant=tenant, id=recording_id).select_related("created_by", "api_key").first()
    texts = list(row.transcriptions.order_by("created_at", "id")) if row else []
    ids = {str(recording_id), *(str(text.id) for text in texts)}
    if row:
        ids.update(str(share_id) for share_id in row.shares.values_list("id", flat=True))
    erased = {} if row else _details_of_erased(tenant, recording_id)
    ids.update(erased.get("objects", ()))
    events = _events(tenant, ids)
    if row is None and not events:
        raise Http404(_("There is no such recording."))
    receipt = {
        "format": FORMAT,
        "kind": "recording",
        "portal": settings.PORTAL_URL,
        "made_at": _moment(timezone.now()),
        "organisation": {"id": str(tenant.id), "name": tenant.name},
        "recording": _recording(row) if row else _erased(recording_id, erased),
        "transcriptions": [_transcription(text) for text in texts],
        "events": events,
        "events_kept_days": settings.AUDIT_RETENTION_DAYS,
    }
    return signatures.signed(receipt, keys.signing_key())


def _details_of_erased(tenant: Tenant, recording_id: UUID) -> dict[str, Any]:
    """Returns what its last audit entry kept of an erased recording; nothing if it is older than these are kept."""
    entry = AuditEntry.objects.filter(tenant=tenant, object_id=str(recording_id), action=ERASED).first()
    return entry.details if entry else {}


def _erased(recording_id: UUID, details: dict[str, Any]) -> dict[str, Any]:
    return {"id": str(recording_id), "erased": True, "sha256": details.get("sha256")}


def _recording(row: Recording) -> dict[str, Any]:
    by = row.created_by.email if row.created_by else row.api_key.name if row.api_key else None
    return {
        "id": str(row.id),
        "name": row.name,
        "sha256": row.sha256,
        "bytes": row.bytes,
        "milliseconds": round(row.duration_seconds * 1000),
        "format": row.format,
        "codec": row.codec,
        "source": row.source,
        "added_at": _moment(row.created_at),
        "added_by": by,
        "sound_erased_at": _moment(row.audio_deleted_at),
        "deleted_at": _moment(row.deleted_at),
        "struck_milliseconds": [[round(second * 1000) for second in span] for span in row.struck],
    }


def _transcription(row: Transcription) -> dict[str, Any]:
    text = {"sha256": hashlib.sha256(row.text.encode()).hexdigest()} if row.text else {}
    return {
        "id": str(row.id),
        "status": row.status,
        "options": {name: _plain(getattr(row, name)) for name in OPTIONS if name not in HIDDEN_OPTIONS},
        "made_by": row.model_version,
        "mode": row.mode_taken,
        "language": row.detected_language,
        "reused_from": str(row.reused_from_id) if row.reused_from_id else None,
        "hears_again": str(row.rehears_id) if row.rehears_id else None,
        "asked_at": _moment(row.created_at),
        "started_at": _moment(row.started_at),
        "finished_at": _moment(row.finished_at),
        "attempts": row.attempts_made,
        "text": text | {"revision": row.revision, "erased_at": _moment(row.text_deleted_at)},
        "checked_percent": round(100 * row.checked_share),
    }


def _events(tenant: Tenant, ids: set[str]) -> list[dict[str, Any]]:
    """Returns what the audit log has of these objects, summed by who did what. Operators are anonymous."""
    rows = AuditEntry.objects.filter(tenant=tenant, object_id__in=ids)
    who = ("action", "actor_kind", "actor_id", "actor_name")
    summed = rows.order_by().values(*who).annotate(times=Count("id"), first=Min("created_at"), last=Max("created_at"))
    return [
        {
            "action": one["action"],
            "by": one["actor_kind"],
            "name": "" if one["actor_kind"] == AuditEntry.Kind.OPERATOR else one["actor_name"],
            "times": one["times"],
            "first": _moment(one["first"]),
            "last": _moment(one["last"]),
        }
        for one in sorted(summed, key=lambda one: (one["first"], one["action"], one["actor_id"]))
    ]


def _plain(value: Any) -> Any:
    """Returns an option as JSON without fractions."""
    return str(value) if isinstance(value, float) else value


def _moment(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None

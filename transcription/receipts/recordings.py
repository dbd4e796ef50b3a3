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
from transcription.exports.speakers import names_of
from transcription.exports.texts import plain_text
from transcription.folders.visibility import seen
from transcription.library.recordings import ERASED
from transcription.models import Recording, Transcription
from transcription.options.options import OPTIONS
from transcription.receipts import keys, signatures
from transcription.strikes import redacted_segments

FORMAT = "whisper-portal-receipt-1"
HIDDEN_OPTIONS = {"prompt", "hotwords"}
"""What people write into them is as confidential as a text: a receipt is shown to others."""


def receipt_of(actor: Actor, recording_id: UUID) -> dict[str, Any]:
    """Returns the signed receipt of a recording, also of one that is erased, and records that it was made.

    Of an erased one it has what stands in the audit log. Raises PermissionDenied, and Http404.
    """
    actor.require("audit.view")
    row = Recording.objects.filter(tenant=actor.tenant, id=recording_id)
    erased = _erasure(actor.tenant, recording_id)
    was_private = erased is not None and erased.details.get("private") and actor.key is not None
    if was_private or (row.exists() and not row.filter(seen(actor)).exists()):
        raise Http404(_("There is no such recording."))
    receipt = signed_receipt(actor.tenant, recording_id)
    audit.record(actor, "receipt.made", Recording(pk=recording_id))
    return receipt


def signed_receipt(tenant: Tenant, recording_id: UUID) -> dict[str, Any]:
    """Returns the receipt of one of the tenant's recordings. Raises Http404. Checks no permission."""
    row = Recording.objects.filter(tenant=tenant, id=recording_id).select_related("created_by", "api_key").first()
    erased = None if row else _erasure(tenant, recording_id)
    if row is None and erased is None:
        raise Http404(_("There is no such recording."))
    texts = list(row.transcriptions.order_by("created_at", "id")) if row else []
    shares = row.shares.values_list("id", flat=True) if row else []
    named = erased.details["objects"] if erased else [*(text.id for text in texts), *shares]
    objects = {str(recording_id), *map(str, named)}
    since = row.created_at if row else None
    events = sorted([*_events(tenant, objects), *_searches(tenant, objects, since)], key=lambda one: one["first"])
    receipt = {
        "format": FORMAT,
        "kind": "recording",
        "portal": settings.PORTAL_URL,
        "made_at": _moment(timezone.now()),
        "organisation": {"id": str(tenant.id), "name": tenant.name},
        "recording": _recording(row) if row else _erased(recording_id, erased),
        "is_complete": erased is None or not erased.details.get("more"),
        "transcriptions": [_transcription(text) for text in texts],
        "events": events,
        "events_kept_days": settings.AUDIT_RETENTION_DAYS,
    }
    return signatures.signed(receipt, keys.signing_key())


def _erasure(tenant: Tenant, recording_id: UUID) -> AuditEntry | None:
    """Returns the entry of a recording that was erased, unless it is older than entries are kept."""
    rows = AuditEntry.objects.filter(tenant=tenant, object_id=str(recording_id), action=ERASED)
    return rows.filter(object_type=Recording._meta.model_name, details__has_key="sha256").first()


def _erased(recording_id: UUID, entry: AuditEntry | None) -> dict[str, Any]:
    return {"id": str(recording_id), "erased": True} | ({"sha256": entry.details["sha256"]} if entry else {})


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
    # The sum of a text with its struck words would let others guess these.
    shown = redacted_segments(row.segments.order_by("index"), row.recording.struck) if row.text else []
    text = {"sha256": hashlib.sha256(plain_text(shown, names_of(row)).encode()).hexdigest()} if shown else {}
    return {
        "id": str(row.id),
        "status": row.status,
        "options": {name: _plain(getattr(row, name)) for name in OPTIONS if name not in HIDDEN_OPTIONS},
        "made_by": row.model_version,
        "mode": row.mode_taken,
        "language": row.detected_language,
        "reused_from": str(row.reused_from_id) if row.reused_from_id else None,
        "hears_again": str(row.rehears_id) if row.rehears_id else None,
        "translates": str(row.translates_id) if row.translates_id else None,
        "asked_at": _moment(row.created_at),
        "started_at": _moment(row.started_at),
        "finished_at": _moment(row.finished_at),
        "attempts": row.attempts_made,
        "text": text | {"revision": row.revision, "erased_at": _moment(row.text_deleted_at)},
        "checked_percent": round(100 * row.checked_share),
    }


def _events(tenant: Tenant, ids: set[str]) -> list[dict[str, Any]]:
    """Returns what the audit log has of these objects, summed by who did what."""
    rows = AuditEntry.objects.filter(tenant=tenant, object_id__in=ids)
    who = ("action", "actor_kind", "actor_id", "actor_name")
    summed = rows.order_by().values(*who).annotate(times=Count("id"), first=Min("created_at"), last=Max("created_at"))
    return [
        _event(one["action"], one["actor_kind"], one["actor_name"], one["times"], one["first"], one["last"])
        for one in summed
    ]


def _searches(tenant: Tenant, ids: set[str], since: datetime | None) -> list[dict[str, Any]]:
    """Returns who found text of these transcriptions by searching, as `_events`. since: None for all that are kept."""
    rows = AuditEntry.objects.filter(tenant=tenant, action=audit.SEARCHED).order_by("created_at", "id")
    rows = rows.filter(created_at__gte=since) if since else rows
    moments: dict[tuple[str, str, str], list[datetime]] = {}
    for entry in rows.only("actor_kind", "actor_id", "actor_name", "created_at", "details").iterator():
        if not ids.isdisjoint(entry.details.get("transcriptions", ())):
            who = (entry.actor_kind, entry.actor_id, entry.actor_name)
            moments.setdefault(who, []).append(entry.created_at)
    return [
        _event(audit.SEARCHED, kind, name, len(found), found[0], found[-1])
        for (kind, _id, name), found in moments.items()
    ]


def _event(action: str, kind: str, name: str, times: int, first: datetime, last: datetime) -> dict[str, Any]:
    """Describes what somebody did. Operators are anonymous."""
    return {
        "action": action,
        "by": kind,
        "name": "" if kind == AuditEntry.Kind.OPERATOR else name,
        "times": times,
        "first": _moment(first),
        "last": _moment(last),
    }


def _plain(value: Any) -> Any:
    """Returns an option as JSON without fractions."""
    return str(value) if isinstance(value, float) else value


def _moment(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None

"""The content of each event: ids, the status and links; never words of a transcript."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from tenants import quota, scope
from tenants.models import Notice
from transcription.webhooks import outbox
from transcription.webhooks.models import Delivery, Endpoint, Event, EventType

OF_STATUS = {
    "completed": EventType.COMPLETED,
    "failed": EventType.FAILED,
    "cancelled": EventType.CANCELLED,
}
NOTICES_LOOKED_BACK = timedelta(days=3)


def transcription_ended(
    tenant_id: UUID,
    recording_id: UUID,
    transcription_id: UUID,
    status: str,
    error_code: str = "",
    warnings: Sequence[str] = (),
) -> None:
    """Records the event. Call in the transaction that changes the status."""
    links = {"transcription": _link(f"transcriptions/{transcription_id}"), "recording": _recording_link(recording_id)}
    if status == "completed":
        links["transcript"] = _link(f"transcriptions/{transcription_id}/transcript.json")
    data: dict[str, Any] = {
        "transcription": str(transcription_id),
        "recording": str(recording_id),
        "status": status,
        "links": links,
    }
    if error_code:
        data["error"] = {"code": error_code}
    if warnings:
        data["warnings"] = list(warnings)
    outbox.record(tenant_id, OF_STATUS[status], str(transcription_id), data, recording_id)


def fetch_failed(tenant_id: UUID, fetch_id: UUID, error_code: str) -> None:
    """Records the event. Call in the transaction that changes the status."""
    data = {
        "fetch": str(fetch_id),
        "status": "failed",
        "error": {"code": error_code},
        "links": {"fetch": _link(f"fetches/{fetch_id}")},
    }
    outbox.record(tenant_id, EventType.FETCH_FAILED, str(fetch_id), data)


def test_of(endpoint: Endpoint) -> Delivery:
    """Records a test event for this endpoint alone. Call in a transaction."""
    data = {"webhook": str(endpoint.id), "links": {"webhook": _link(f"webhooks/{endpoint.id}")}}
    return outbox.record_for(endpoint, EventType.TEST, uuid.uuid4().hex, data)


def tell_notices() -> int:
    """Records an event for each of this month's notices, once, for endpoints older than the notice. Returns how many.

    The notice's own row is the outbox: it is committed with what it says, and has an event afterwards.
    """
    begin = timezone.now() - NOTICES_LOOKED_BACK
    with scope.across_tenants("the sweeper serves every tenant"):
        tenants = Endpoint.objects.filter(deleted_at=None).order_by().values("tenant_id").distinct()
        rows = Notice.objects.filter(tenant__in=tenants, month=quota.this_month(), created_at__gte=begin)
        notices = {str(row.id): row for row in rows}
        told = Event.objects.filter(type=EventType.QUOTA_ALERT, subject__in=notices).values_list("subject", flat=True)
        due = [notices[subject] for subject in notices.keys() - set(told)]
        return sum(
            outbox.record_once(row.tenant_id, EventType.QUOTA_ALERT, str(row.id), _quota(row), row.created_at) > 0
            for row in due
        )


def _quota(notice: Notice) -> dict[str, Any]:
    """Returns an event's data. `percent` is null if more was needed than what was left."""
    refused = notice.percent == Notice.REFUSED
    return {
        "limit": notice.limit,
        "percent": None if refused else notice.percent,
        "refused": refused,
        "month": f"{notice.month:%Y-%m}",
        "resets_at": quota.next_reset(notice.month).isoformat()
        if notice.limit == Notice.Limit.MONTHLY_SECONDS
        else None,
        "links": {"usage": f"{settings.PORTAL_URL}/usage/"},
    }


def _recording_link(recording_id: UUID) -> str:
    return _link(f"recordings/{recording_id}")


def _link(path: str) -> str:
    return f"{settings.PORTAL_URL}/api/v1/{path}"

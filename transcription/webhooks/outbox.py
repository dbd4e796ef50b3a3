"""Writes events and their deliveries in the transaction that causes them: both are committed, or neither."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from transcription.models import Recording
from transcription.webhooks.models import Delivery, Endpoint, Event


def record(tenant_id: UUID, kind: str, subject: str, data: dict[str, Any], recording_id: UUID | None = None) -> int:
    """Writes an event and its deliveries. Returns to how many endpoints. Call in a transaction.

    A deleted endpoint's row stays for an hour, so none that is read here is gone before the commit.
    """
    rows = list(Endpoint.objects.filter(tenant_id=tenant_id, deleted_at=None))
    named = _named_by_rules(recording_id) if any(row.only_by_rules for row in rows) else ()
    return _write(tenant_id, kind, subject, data, [row for row in rows if row.wants(kind, named)])


def _named_by_rules(recording_id: UUID | None) -> Collection[str]:
    if recording_id is None:
        return ()
    ruled = Recording.objects.filter(id=recording_id).values_list("ruled", flat=True).first() or {}
    named: list[str] = ruled.get("webhooks", [])
    return named


def record_once(tenant_id: UUID, kind: str, subject: str, data: dict[str, Any], since: datetime) -> int:
    """Writes an event in its own transaction, for endpoints created by `since`. Returns 0 if it was written before.

    For causes that several processes may detect at once.
    """
    rows = Endpoint.objects.filter(tenant_id=tenant_id, deleted_at=None, created_at__lte=since)
    try:
        with transaction.atomic():
            return _write(tenant_id, kind, subject, data, [row for row in rows if row.wants(kind)])
    except IntegrityError:
        return 0


def record_for(endpoint: Endpoint, kind: str, subject: str, data: dict[str, Any]) -> Delivery:
    """Writes an event for one endpoint alone, whatever it subscribes to. Call in a transaction."""
    _write(endpoint.tenant_id, kind, subject, data, [endpoint])
    return Delivery.objects.select_related("event").get(endpoint=endpoint, event__type=kind, event__subject=subject)


def _write(tenant_id: UUID, kind: str, subject: str, data: dict[str, Any], endpoints: list[Endpoint]) -> int:
    if not endpoints:
        return 0
    now = timezone.now()
    content = {"type": kind, "timestamp": now.isoformat(), "data": data}
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    event = Event(tenant_id=tenant_id, type=kind, subject=subject, body=body, created_at=now)
    event.save(force_insert=True)
    Delivery.objects.bulk_create(
        Delivery(tenant_id=tenant_id, endpoint=one, event=event, created_at=now) for one in endpoints
    )
    return len(endpoints)

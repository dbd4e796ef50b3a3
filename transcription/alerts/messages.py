"""Writes what receivers are told, in the transaction that makes it so."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.utils import timezone, translation

from transcription.alerts.models import Alert, Message, Receiver
from transcription.alerts.rules import RULES, runbook

PAGE = "/admin/operations/alerts/"


def write(alerts: Sequence[Alert], about: str) -> None:
    """Writes a message about each of some alerts for each receiver. Call in a transaction."""
    receivers = list(Receiver.objects.all()) if alerts else []
    Message.objects.bulk_create(message(receiver, about, row) for row in alerts for receiver in receivers)


def write_ends(alerts: Sequence[Alert]) -> None:
    """Writes that alerts are over; not to whom they were never even tried to be told of. Call in a transaction."""
    for row in alerts:
        unheard = Message.objects.select_for_update().filter(alert=row, sent_at=None, attempts_made=0)
        spared = {one.receiver_id for one in unheard if one.about == Message.About.FIRED}
        unheard.delete()
        receivers = Receiver.objects.exclude(id__in=spared)
        Message.objects.bulk_create(message(receiver, Message.About.ENDED, row) for receiver in receivers)


def message(receiver: Receiver, about: str, row: Alert | None = None) -> Message:
    body = json.dumps(_content(about, row), ensure_ascii=False, separators=(",", ":")) if receiver.url else ""
    return Message(receiver=receiver, alert=row, about=about, body=body)


def _content(about: str, row: Alert | None) -> dict[str, Any]:
    """Returns what webhooks are sent, in English."""
    data: dict[str, Any] = {"url": f"{settings.PORTAL_URL}{PAGE}"}
    if row is not None:
        rule = RULES[row.name]
        with translation.override("en"):
            data |= {
                "alert": row.name,
                "subject": row.subject,
                "severity": rule.severity.value,
                "status": "resolved" if row.ended_at else "firing",
                "summary": rule.text(row.subject, row.value),
                "value": row.value,
                "since": row.since.isoformat(),
                "ended": row.ended_at.isoformat() if row.ended_at else None,
                "runbook": runbook(),
            }
    return {"type": f"alert.{about}", "timestamp": timezone.now().isoformat(), "data": data}

"""Pauses of alerts: until a time, with a reason. Their ends are told where the alert still fires."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.db import transaction

from tenants import database_clock
from tenants.models import User
from transcription.alerts import messages
from transcription.alerts.models import Alert, Message, Silence
from transcription.alerts.rules import RULES


def going_on(now: datetime) -> list[Silence]:
    return list(Silence.objects.filter(ended_at=None, until__gt=now))


def covers(row: Alert, pauses: Sequence[Silence]) -> bool:
    return any(pause.name == row.name and pause.subject in ("", row.subject) for pause in pauses)


def begin(name: str, subject: str, span: timedelta, reason: str, by: User) -> Silence:
    """Pauses an alert, in place of an earlier pause of the same, and notes it in the admin's log."""
    now = database_clock.now()
    with transaction.atomic():
        Silence.objects.filter(name=name, subject=subject, ended_at=None).update(ended_at=now)
        row = Silence.objects.create(
            name=name, subject=subject, until=now + span, reason=reason, operator=by, operator_email=by.email
        )
        _note(by, row, ADDITION, f"Paused until {row.until:%Y-%m-%d %H:%M} UTC: {reason}")
    return row


def end(row: Silence, by: User) -> bool:
    """Ends a pause. Returns False if it was over."""
    now = database_clock.now()
    with transaction.atomic():
        if not Silence.objects.filter(id=row.id, ended_at=None).update(ended_at=now):
            return False
        _note(by, row, CHANGE, "The pause was ended.")
        _tell_end(row, now)
    return True


def end_due(now: datetime) -> None:
    """Ends the pauses whose time is over. Call in a transaction."""
    for row in Silence.objects.filter(ended_at=None, until__lte=now):
        if Silence.objects.filter(id=row.id, ended_at=None).update(ended_at=row.until):
            _tell_end(row, now)


def _tell_end(row: Silence, now: datetime) -> None:
    """Says of what fires and was told before that it still does; the rest is told as new by the next evaluation."""
    if row.name not in RULES:
        return
    others = going_on(now)
    firing = Alert.objects.filter(name=row.name, ended_at=None).exclude(told_at=None)
    quiet_no_more = [one for one in firing if covers(one, [row]) and not covers(one, others)]
    messages.write(quiet_no_more, Message.About.STILL)


def _note(by: User, row: Silence, kind: int, text: str) -> None:
    LogEntry.objects.log_actions(by.pk, Silence.objects.filter(id=row.id), kind, text, single_object=True)

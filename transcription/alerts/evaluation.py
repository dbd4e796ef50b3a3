"""Fires and ends alerts. One sweeper at a time does; all that it knows of earlier is in the database."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from tenants import database_clock
from transcription.alerts import measuring, messages, silences
from transcription.alerts.measuring import Reading
from transcription.alerts.models import Alert, Evaluation, Message
from transcription.alerts.rules import RULES

log = logging.getLogger(__name__)
LEAST_PAUSE = timedelta(seconds=10)
CLEAR_FOR = timedelta(minutes=2)
"""For so long an alert stays clear before it ends: what comes and goes is told once."""

PENDING_FORGOTTEN = timedelta(minutes=2)
"""Without an evaluation for so long, nobody knows whether a rule was broken all the time."""

KEPT = timedelta(days=90)
SWEEPER_MISSING = "SweeperMissing"


def evaluate() -> int:
    """Brings the alerts up to date, unless a sweeper did so just now. Returns how many fired or ended."""
    now = database_clock.now()
    last = _claim(now)
    if last is None:
        return 0
    broken = [one for one in measuring.read(now) if RULES[one.name].is_broken_by(one.value)]
    with transaction.atomic():
        Evaluation.objects.select_for_update().get()
        changed = _note_pause(last, now) if now - last > PENDING_FORGOTTEN else 0
        for reading in broken:
            changed += _note(reading, now)
        changed += _clear(now)
        silences.end_due(now)
        _tell(now)
    return changed


def _tell(now: datetime) -> None:
    """Writes what nobody was told yet: that alerts fire, those that are paused left out, and that they are over."""
    pauses = silences.going_on(now)
    fresh = Alert.objects.filter(told_at=None, ended_at=None).exclude(fired_at=None)
    told = [row for row in fresh if not silences.covers(row, pauses)]
    messages.write(told, Message.About.FIRED)
    Alert.objects.filter(id__in=[row.id for row in told]).update(told_at=now)
    over = list(Alert.objects.filter(end_told_at=None).exclude(told_at=None).exclude(ended_at=None))
    messages.write(over, Message.About.ENDED)
    Alert.objects.filter(id__in=[row.id for row in over]).update(end_told_at=now)


def forget_old() -> int:
    return Alert.objects.filter(ended_at__lt=Now() - KEPT).delete()[0]


def last_evaluated() -> datetime | None:
    return Evaluation.objects.values_list("at", flat=True).first()


def _claim(now: datetime) -> datetime | None:
    """Returns when the last evaluation was, or now for the first one; None where another sweeper has its turn."""
    row, _is_new = Evaluation.objects.get_or_create(pk=1)
    if row.at is not None and row.at > now - LEAST_PAUSE:
        return None
    won = Evaluation.objects.filter(pk=1, at=row.at).update(at=now)
    return (row.at or now) if won else None


def _note_pause(last: datetime, now: datetime) -> int:
    """Forgets what was pending before nobody evaluated anything, and notes for how long that was.

    It is told once it is over.
    """
    Alert.objects.filter(ended_at=None, fired_at=None).delete()
    times = {"since": last, "seen_at": now, "fired_at": last + RULES[SWEEPER_MISSING].hold, "told_at": now}
    _row, is_new = Alert.objects.get_or_create(name=SWEEPER_MISSING, subject="", ended_at=None, defaults=times)
    return int(is_new)


def _note(reading: Reading, now: datetime) -> int:
    """Notes that a rule is broken. Returns whether its alert fires now."""
    times = {"since": now, "seen_at": now}
    row, _is_new = Alert.objects.get_or_create(
        name=reading.name, subject=reading.subject, ended_at=None, defaults=times
    )
    fires = row.fired_at is None and now - row.since >= RULES[reading.name].hold
    if fires:
        row.fired_at = now
        log.warning("Alert %s fires: %s", row, RULES[row.name].text(row.subject, reading.value))
    row.value, row.seen_at = reading.value, now
    row.save(update_fields=["value", "seen_at", "fired_at"])
    return int(fires)


def _clear(now: datetime) -> int:
    """Ends what has been clear for long enough. Returns how many."""
    Alert.objects.filter(ended_at=None, fired_at=None, seen_at__lt=now).delete()
    over = Q(seen_at__lte=now - CLEAR_FOR) | Q(name=SWEEPER_MISSING)
    ended = list(Alert.objects.filter(over, ended_at=None))
    for row in ended:
        row.ended_at = now
        row.save(update_fields=["ended_at"])
        log.info("Alert %s is over", row)
    return len(ended)

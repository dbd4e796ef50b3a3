"""Fires and ends alerts. One sweeper at a time does; all that it knows of earlier is in the database."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from tenants import database_clock
from transcription.alerts import measuring, messages, silences
from transcription.alerts.measuring import Measured, Reading
from transcription.alerts.models import Alert, Evaluation, Message
from transcription.alerts.rules import RULES
from transcription.models import Process

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
    last, _is_new = Evaluation.objects.get_or_create(pk=1, defaults={"complete_at": now})
    if last.at is not None and abs(now - last.at) < LEAST_PAUSE:
        return 0
    last.expects_web = last.expects_web or Process.objects.filter(kind=Process.Kind.WEB).exists()
    measured = measuring.read(now, last)
    with transaction.atomic():
        if not _take_turn(last, measured, now):
            return 0
        changed = _note_pause(last.at, now) if last.at and now - last.at > PENDING_FORGOTTEN else 0
        for reading in measured.broken:
            changed += _note(reading, now)
        changed += _clear(measured, now)
        silences.end_due(now)
        _tell(now)
    return changed


def _tell(now: datetime) -> None:
    """Writes what nobody was told yet: that alerts fire, those that are paused left out, and that they are over."""
    pauses = silences.going_on(now)
    fresh = Alert.objects.filter(told_at=None, ended_at=None, name__in=RULES).exclude(fired_at=None)
    told = [row for row in fresh if not silences.covers(row, pauses)]
    messages.write(told, Message.About.FIRED)
    Alert.objects.filter(id__in=[row.id for row in told]).update(told_at=now)
    ended = Alert.objects.filter(end_told_at=None, name__in=RULES).exclude(told_at=None).exclude(ended_at=None)
    over = list(ended)
    messages.write_ends([row for row in over if row.name != SWEEPER_MISSING or not silences.covers(row, pauses)])
    Alert.objects.filter(id__in=[row.id for row in over]).update(end_told_at=now)


def forget_old() -> int:
    """Deletes past alerts, those of rules that are no more, and tests of webhooks. Returns how many rows."""
    oldest = Now() - KEPT
    tests, _of_them = Message.objects.filter(alert=None, created_at__lt=oldest).delete()
    return tests + Alert.objects.filter(Q(ended_at__lt=oldest) | Q(seen_at__lt=oldest)).delete()[0]


def last_evaluated() -> datetime | None:
    """Returns when all alerts were last evaluated, and that was noted."""
    return Evaluation.objects.values_list("complete_at", flat=True).first()


def _take_turn(last: Evaluation, measured: Measured, now: datetime) -> bool:
    """Notes this evaluation. Returns False where another sweeper was faster. Call in the transaction of its outcome."""
    complete_at = now if measured.is_complete else last.complete_at
    rows = Evaluation.objects.filter(pk=1, at=last.at)
    return rows.update(at=now, complete_at=complete_at, expects_web=last.expects_web) == 1


def _note_pause(last: datetime, now: datetime) -> int:
    """Forgets what was pending before nobody evaluated anything, and notes for how long that was.

    It is told once it is over.
    """
    Alert.objects.filter(ended_at=None, fired_at=None, name__in=RULES).delete()
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


def _clear(measured: Measured, now: datetime) -> int:
    """Ends what has been clear for long enough. Returns how many.

    Rules that this release doesn't know are left to the one that does.
    """
    ended = 0
    for row in Alert.objects.filter(ended_at=None, name__in=RULES):
        is_past = row.name == SWEEPER_MISSING
        if not is_past and (row.seen_at == now or not measured.is_clear(row.name, row.subject)):
            continue
        if row.fired_at is None:
            row.delete()
        elif is_past or abs(now - row.seen_at) >= CLEAR_FOR:
            row.ended_at = now
            row.save(update_fields=["ended_at"])
            log.info("Alert %s is over", row)
            ended += 1
    return ended

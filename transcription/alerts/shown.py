"""Alerts as operators see them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tenants import database_clock
from transcription.alerts import silences
from transcription.alerts.evaluation import SWEEPER_MISSING, last_evaluated
from transcription.alerts.models import Alert, Silence
from transcription.alerts.rules import RULES, Rule
from transcription.models import Sweeper
from transcription.models.sweeper import sweepers_alive

PAST = 50
UNEVALUATED = "AlertsUnevaluated"


@dataclass(frozen=True)
class Shown:
    """An alert with its rule, and the pause that keeps it quiet."""

    alert: Alert
    pause: Silence | None = None

    @property
    def rule(self) -> Rule:
        return RULES[self.alert.name]

    @property
    def text(self) -> str:
        return self.rule.text(self.alert.subject, self.alert.value)


def firing() -> list[Shown]:
    """Returns what fires, paused or not, the last first, by some short queries.

    That no sweeper runs, or evaluates them, no sweeper can say: it is found here.
    """
    now = database_clock.now()
    rows = [row for row in Alert.objects.filter(ended_at=None).exclude(fired_at=None) if row.name in RULES]
    if (missing := _sweeper_missing() or _unevaluated(now)) is not None:
        rows = [missing, *(row for row in rows if row.name != missing.name)]
    pauses = silences.going_on(now) if rows else []
    return [Shown(row, next((one for one in pauses if silences.covers(row, [one])), None)) for row in rows]


def for_banner() -> list[Shown]:
    return [one for one in firing() if one.pause is None]


def past() -> list[Shown]:
    rows = Alert.objects.exclude(ended_at=None).order_by("-ended_at")[:PAST]
    return [Shown(row) for row in rows if row.name in RULES]


def _sweeper_missing() -> Alert | None:
    if sweepers_alive():
        return None
    now = database_clock.now()
    last = Sweeper.objects.order_by("-updated_at").values_list("updated_at", flat=True).first()
    if last is not None and now - last < RULES[SWEEPER_MISSING].hold:
        return None
    return Alert(name=SWEEPER_MISSING, since=last or now, seen_at=now, fired_at=now, value=0.0)


def _unevaluated(now: datetime) -> Alert | None:
    last, rule = last_evaluated(), RULES[UNEVALUATED]
    age = (now - last).total_seconds() if last is not None else 0.0
    if last is None or not rule.is_broken_by(age - rule.hold.total_seconds()):
        return None
    return Alert(name=UNEVALUATED, since=last, seen_at=now, fired_at=now, value=age)

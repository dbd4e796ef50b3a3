"""Latency by stage over a period: quantiles of the whole, and how they went."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from portal import charts
from tenants import database_clock
from transcription import stage_times
from transcription.models import Stage
from transcription.stage_times import Histogram

SHARES = (0.99, 0.95, 0.5)


@dataclass(frozen=True)
class Period:
    """The last `steps` spans of `step` each, of which the last one is not over."""

    key: str
    label: Promise
    step: timedelta
    steps: int

    def begin(self, now: datetime) -> datetime:
        seconds = self.step.total_seconds()
        last = datetime.fromtimestamp(now.timestamp() // seconds * seconds, now.tzinfo)
        return last - self.step * (self.steps - 1)


QUARTER = Period("quarter", _("15 minutes"), timedelta(seconds=stage_times.MINUTE), 15)
DAY = Period("day", _("24 hours"), timedelta(seconds=stage_times.QUARTER), 96)
WEEK = Period("week", _("7 days"), timedelta(seconds=stage_times.THREE_HOURS), 56)
PERIODS = {period.key: period for period in (QUARTER, DAY, WEEK)}


@dataclass(frozen=True)
class StageLatency:
    """A stage's quantiles in seconds, and a path for each of SHARES in a chart as high as `most` seconds."""

    label: str
    count: int
    p50: float | None
    p95: float | None
    p99: float | None
    most: float
    paths: list[str]


@dataclass(frozen=True)
class Latency:
    at: datetime
    period: Period
    stages: list[StageLatency]

    @property
    def width(self) -> float:
        return self.period.steps * charts.STEP


def read(period: Period) -> Latency:
    """Reads a period by one query."""
    now = database_clock.now()
    found = stage_times.since(period.begin(now), period.step, period.steps)
    return Latency(now, period, [_latency(stage, found[stage]) for stage in Stage if stage in found])


def _latency(stage: Stage, periods: list[Histogram]) -> StageLatency:
    whole = stage_times.whole(periods)
    quantiles = [[one.quantile(share) for one in periods] for share in SHARES]
    most = max((value for value in quantiles[0] if value is not None), default=0.0)
    return StageLatency(
        label=str(stage.label),
        count=whole.total,
        p50=whole.quantile(0.5),
        p95=whole.quantile(0.95),
        p99=whole.quantile(0.99),
        most=most,
        paths=[charts.columns(values, most) for values in quantiles],
    )

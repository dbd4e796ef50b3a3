"""How long the stages of completed transcriptions take, counted in histograms by time.

The transaction that ends a stage inserts rows of the minute in which it ends, so that none waits for another; the
sweeper merges them, into longer spans as they age. What is older than KEPT is part of Statistic, for Prometheus.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Sum

from tenants import database_clock
from transcription.models import StageTime, Statistic

BUCKETS = (
    *(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0),
    *(60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 10800.0),
)
INFINITY = "+Inf"
BOUNDS = (*map(str, BUCKETS), INFINITY)
MINUTE, QUARTER, THREE_HOURS = 60, 900, 10800
AGES = (
    (0, MINUTE, timedelta(seconds=MINUTE)),
    (MINUTE, QUARTER, timedelta(minutes=20)),
    (QUARTER, THREE_HOURS, timedelta(hours=26)),
)
"""Rows of the first span are merged into the second, in seconds, when they are older."""
KEPT = timedelta(days=8)
PREFIX = "stage_"
"""Of the names in Statistic that old rows have."""
MERGED_AT_ONCE = 20_000


@dataclass
class Histogram:
    """How many durations fell into each of the buckets whose upper bounds BOUNDS has, and their sum in seconds."""

    counts: list[int]
    sum: float = 0.0

    @classmethod
    def empty(cls) -> Histogram:
        return cls([0] * len(BOUNDS))

    @property
    def total(self) -> int:
        return sum(self.counts)

    def add(self, counts: Mapping[str, int], microseconds: int) -> None:
        for label, count in counts.items():
            self.counts[_PLACES[label]] += count
        self.sum += microseconds / 1e6

    def add_all(self, other: Histogram) -> None:
        self.counts = [one + more for one, more in zip(self.counts, other.counts, strict=True)]
        self.sum += other.sum

    def quantile(self, share: float) -> float | None:
        """Returns the duration that `share` of all don't exceed, evenly spread in its bucket; None without any."""
        rank, below = share * self.total, 0
        for place, count in enumerate(self.counts):
            if count and below + count >= rank:
                low = BUCKETS[place - 1] if place else 0.0
                high = BUCKETS[place] if place < len(BUCKETS) else low
                return low + (high - low) * (rank - below) / count
            below += count
        return None


_PLACES = {label: place for place, label in enumerate(BOUNDS)}


def count(seconds: Mapping[str, float], at: datetime) -> None:
    """Counts how long stages took that ended at `at`, by one INSERT. Call in the transaction that ends them."""
    begin = _floor(at, MINUTE)
    StageTime.objects.bulk_create(
        StageTime(
            begin=begin,
            stage=stage,
            counts={BOUNDS[bisect_left(BUCKETS, took)]: 1},
            microseconds=round(max(0.0, took) * 1e6),
        )
        for stage, took in seconds.items()
    )


def since(begin: datetime, step: timedelta, steps: int) -> dict[str, list[Histogram]]:
    """Returns the histograms of each stage in `steps` periods of `step` each, from `begin` on."""
    found: dict[str, list[Histogram]] = {}
    rows = StageTime.objects.filter(begin__gte=begin).order_by()
    for at, stage, counts, microseconds in rows.values_list("begin", "stage", "counts", "microseconds"):
        periods = found.get(stage) or found.setdefault(stage, [Histogram.empty() for _ in range(steps)])
        periods[min((at - begin) // step, steps - 1)].add(counts, microseconds)
    return found


def whole(periods: Sequence[Histogram]) -> Histogram:
    total = Histogram.empty()
    for period in periods:
        total.add_all(period)
    return total


def totals() -> dict[str, Histogram]:
    """Returns a histogram for each stage, of all that was ever counted."""
    found: dict[str, Histogram] = defaultdict(Histogram.empty)
    old = Statistic.objects.filter(name__startswith=PREFIX).order_by().values_list("name", "label")
    for name, label, number, microseconds in old.annotate(n=Sum("count"), s=Sum("microseconds")):
        found[name.removeprefix(PREFIX)].add({label: number}, microseconds)
    for stage, counts, microseconds in StageTime.objects.order_by().values_list("stage", "counts", "microseconds"):
        found[stage].add(counts, microseconds)
    return found


def condense() -> int:
    """Merges rows that are old enough, and hands those older than KEPT to Statistic. Returns how many rows are gone.

    Readers see all of the old rows or the new one, and a second sweeper merges other rows.
    """
    now = database_clock.now()
    merged = sum(_merge(span, longer, _floor(now - age, longer)) for span, longer, age in AGES)
    return merged + _retire(_floor(now - KEPT, THREE_HOURS))


def _merge(span: int, longer: int, before: datetime) -> int:
    with transaction.atomic():
        rows = _locked(before, span)
        merged: dict[tuple[datetime, str], StageTime] = {}
        for row in rows:
            begin = _floor(row.begin, longer)
            whole = merged.setdefault(
                (begin, row.stage), StageTime(begin=begin, span=longer, stage=row.stage, counts={})
            )
            whole.counts = dict(Counter(whole.counts) + Counter(row.counts))
            whole.microseconds += row.microseconds
        StageTime.objects.filter(id__in=[row.id for row in rows]).delete()
        StageTime.objects.bulk_create(merged.values())
        return len(rows) - len(merged)


def _retire(before: datetime) -> int:
    with transaction.atomic():
        rows = _locked(before, THREE_HOURS)
        parts = [(row, label, number) for row in rows for label, number in row.counts.items()]
        Statistic.objects.bulk_create(
            Statistic(name=f"{PREFIX}{row.stage}", lane=0, label=label, count=number) for row, label, number in parts
        )
        Statistic.objects.bulk_create(
            Statistic(name=f"{PREFIX}{row.stage}", lane=0, label=INFINITY, count=0, microseconds=row.microseconds)
            for row in rows
        )
        StageTime.objects.filter(id__in=[row.id for row in rows]).delete()
        return len(rows)


def _locked(before: datetime, span: int) -> list[StageTime]:
    rows = StageTime.objects.select_for_update(skip_locked=True).filter(begin__lt=before, span=span)
    return list(rows.order_by("id")[:MERGED_AT_ONCE])


def _floor(at: datetime, seconds: int) -> datetime:
    return datetime.fromtimestamp(at.timestamp() // seconds * seconds, at.tzinfo)

"""Counts what ended and how long it took, in the transaction that ends it: deleted rows are counted all the same."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Count, Sum

from transcription.models import Statistic, Transcription

ENDED = "ended"
WAIT = "wait"
PROCESSING = "processing"
BUCKETS = (0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 10800.0)
INFINITY = "+Inf"
BOUNDS = (*map(str, BUCKETS), INFINITY)
"""Upper bounds of the histograms in seconds, as Prometheus writes them."""
MERGED_AT_ONCE = 20_000


@dataclass(frozen=True)
class Histogram:
    """How many observations fell into the buckets up to each of BOUNDS, and their sum in seconds."""

    counts: list[int]
    sum: float


def count_ended(row: Transcription, status: str) -> None:
    """Counts a transcription that ends now. Call in that transaction."""
    Statistic.objects.create(name=ENDED, lane=row.lane, label=status, count=1)


def count_seconds(row: Transcription, finished_at: datetime) -> None:
    """Counts how long a transcription that is completed now waited and took. Call in that transaction."""
    started_at = row.started_at or finished_at
    for name, span in ((WAIT, started_at - row.created_at), (PROCESSING, finished_at - started_at)):
        seconds = max(0.0, span.total_seconds())
        label, microseconds = BOUNDS[bisect_left(BUCKETS, seconds)], round(seconds * 1e6)
        Statistic.objects.create(name=name, lane=row.lane, label=label, count=1, microseconds=microseconds)


def merge() -> int:
    """Replaces rows of one counter by their sum. Returns how many rows are gone.

    Readers see all of the old rows or the new one, and a second sweeper merges other rows.
    """
    with transaction.atomic():
        crowded = Statistic.objects.order_by().values("name", "lane", "label").annotate(rows=Count("id"))
        if not crowded.filter(rows__gt=1).exists():
            return 0
        rows = list(Statistic.objects.select_for_update(skip_locked=True).order_by("id")[:MERGED_AT_ONCE])
        merged: dict[tuple[str, int, str], Statistic] = {}
        for row in rows:
            key = (row.name, row.lane, row.label)
            whole = merged.setdefault(key, Statistic(name=row.name, lane=row.lane, label=row.label, count=0))
            whole.count += row.count
            whole.microseconds += row.microseconds
        Statistic.objects.filter(id__in=[row.id for row in rows]).delete()
        Statistic.objects.bulk_create(merged.values())
        return len(rows) - len(merged)


def totals() -> tuple[dict[str, int], dict[str, dict[int, Histogram]]]:
    """Returns how many transcriptions ended by status, and histograms by name (WAIT, PROCESSING) and lane."""
    ended: dict[str, int] = defaultdict(int)
    parts: dict[str, dict[int, dict[str, tuple[int, int]]]] = {WAIT: {}, PROCESSING: {}}
    summed = (
        Statistic.objects.order_by()
        .values_list("name", "lane", "label")
        .annotate(n=Sum("count"), s=Sum("microseconds"))
    )
    for name, lane, label, count, microseconds in summed:
        if name == ENDED:
            ended[label] += count
        elif name in parts:
            parts[name].setdefault(lane, {})[label] = (count, microseconds)
    histograms = {name: {lane: _histogram(found) for lane, found in lanes.items()} for name, lanes in parts.items()}
    return dict(ended), histograms


def _histogram(found: dict[str, tuple[int, int]]) -> Histogram:
    counts, below = [], 0
    for bound in BOUNDS:
        below += found.get(bound, (0, 0))[0]
        counts.append(below)
    return Histogram(counts, sum(microseconds for _count, microseconds in found.values()) / 1e6)

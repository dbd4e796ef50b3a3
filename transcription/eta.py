"""Where a waiting transcription stands, and when it is likely to be done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet, Sum
from django.utils import timezone

from tenants import scope
from transcription.models import Status, Transcription

SAMPLE = 40
SAMPLE_AGE = timedelta(hours=24)


@dataclass(frozen=True)
class Place:
    """`position` counts from 1; `eta_seconds` until the text is there, None while no speed was measured."""

    position: int
    eta_seconds: float | None


def place(row: Transcription) -> Place:
    """The place of a queued transcription among all tenants' ones that are served before it."""
    with scope.across_tenants("a queue is shared"):
        queued = Transcription.objects.filter(status=Status.QUEUED)
        ahead = queued.filter(Q(lane__lt=row.lane) | Q(lane=row.lane, created_at__lt=row.created_at))
        running = Transcription.objects.filter(status=Status.RUNNING)
        seconds = _audio_seconds(ahead) + _audio_seconds(running) + row.recording.duration_seconds
        speed = measured_speed()
        return Place(position=ahead.count() + 1, eta_seconds=seconds / speed if speed else None)


def measured_speed() -> float | None:
    """Audio seconds this installation finishes in a second while it has work; None before the first."""
    with scope.across_tenants("the speed is everybody's"):
        recent = Transcription.objects.filter(
            status=Status.COMPLETED, finished_at__gte=timezone.now() - SAMPLE_AGE
        ).order_by("-finished_at")
        rows = list(recent.values_list("started_at", "finished_at", "recording__duration_seconds")[:SAMPLE])
    busy = _union_seconds([(start, end) for start, end, _seconds in rows if start and end])
    return sum(seconds for _start, _end, seconds in rows) / busy if busy > 0 else None


def _audio_seconds(rows: QuerySet[Transcription]) -> float:
    total = rows.aggregate(total=Sum("recording__duration_seconds"), saved=Sum("saved_seconds"))
    return max(0.0, (total["total"] or 0.0) - (total["saved"] or 0.0))


def _union_seconds(spans: list[tuple[datetime, datetime]]) -> float:
    """Length of the union of time spans: work side by side counts once."""
    total, reached = 0.0, None
    for start, end in sorted(spans):
        begin = start if reached is None or start > reached else reached
        if end > begin:
            total += (end - begin).total_seconds()
            reached = end
    return total

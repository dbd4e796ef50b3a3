"""What else ran while a transcription waited and was worked on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from tenants import database_clock
from transcription.models import Attempt, Lane, Transcription

LONGEST_RUN = timedelta(hours=3)
"""Attempts that began longer before the time that is looked at are not looked for."""
MOST = 2000
STEPS = 60


@dataclass(frozen=True)
class Neighbour:
    """An attempt at another transcription. `slot` is its worker's place: a gpuworker and a number."""

    tenant_id: UUID
    tenant: str
    transcription_id: UUID
    lane: int
    slot: str
    begin: datetime
    end: datetime

    @property
    def engine(self) -> str:
        return self.slot.partition("/")[0]


@dataclass(frozen=True)
class Neighbours:
    """Attempts at other transcriptions that overlap with a time, in the order of their beginning; at most MOST."""

    begin: datetime
    end: datetime
    attempts: Sequence[Neighbour]

    def claimed(self, begin: datetime, end: datetime) -> list[Neighbour]:
        """Returns those that were begun in this time."""
        return [one for one in self.attempts if begin <= one.begin < end]

    def running_at(self, moment: datetime) -> list[Neighbour]:
        return [one for one in self.attempts if one.begin <= moment < one.end]

    def beside(self, begin: datetime, end: datetime, engine: str) -> list[Neighbour]:
        """Returns those that ran on an engine in this time."""
        return [one for one in self.attempts if one.engine == engine and one.begin < end and begin < one.end]

    @property
    def tenants(self) -> list[tuple[str, int]]:
        """Names of tenants with how many of their transcriptions ran, the most first."""
        names = {one.tenant_id: one.tenant for one in self.attempts}
        found = Counter(dict(count_by_tenant(self.attempts)))
        return [(names[tenant_id], count) for tenant_id, count in found.most_common()]

    @property
    def engines(self) -> list[tuple[str, int]]:
        ran = {(one.engine, one.transcription_id) for one in self.attempts}
        return Counter(engine for engine, _id in ran).most_common()

    @property
    def lanes(self) -> list[tuple[str, int]]:
        ran = {(one.lane, one.transcription_id) for one in self.attempts}
        return [(str(Lane(lane).label), count) for lane, count in sorted(Counter(lane for lane, _id in ran).items())]

    @property
    def transcriptions(self) -> int:
        return len({one.transcription_id for one in self.attempts})

    @property
    def steps(self) -> list[float]:
        """How many ran at each of STEPS moments, evenly from begin to end."""
        step = (self.end - self.begin) / STEPS
        return [float(len(self.running_at(self.begin + step * (number + 0.5)))) for number in range(STEPS)]

    @property
    def most_at_once(self) -> int:
        return int(max(self.steps))


def count_by_tenant(attempts: Iterable[Neighbour]) -> Counter[UUID]:
    """Returns how many transcriptions each tenant has among the attempts."""
    return Counter(tenant_id for tenant_id, _id in {(one.tenant_id, one.transcription_id) for one in attempts})


def of_transcription(row: Transcription, begin: datetime, end: datetime) -> Neighbours:
    """Returns what ran beside a transcription in this time, by one query."""
    now = database_clock.now()
    rows = Attempt.objects.filter(started_at__gte=begin - LONGEST_RUN, started_at__lt=end)
    rows = rows.exclude(finished_at__lt=begin).exclude(transcription_id=row.id).order_by("-started_at")
    values = rows.values_list(
        *("tenant_id", "tenant__name", "transcription_id", "transcription__lane", "worker", "started_at"),
        "finished_at",
    )
    found = [
        Neighbour(tenant_id, name, transcription_id, lane, _slot(worker), began, finished or now)
        for tenant_id, name, transcription_id, lane, worker, began, finished in values[:MOST]
    ]
    return Neighbours(begin, end, found[::-1])


def _slot(worker: str) -> str:
    """Returns a worker's name without its process: "gpu:0/3" of "gpu:0/3.4711"."""
    engine, _slash, place = worker.partition("/")
    return f"{engine}/{place.partition('.')[0]}"

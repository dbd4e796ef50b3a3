"""What the pages show that are pushed to whoever has them open: data without a request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from portal import charts, health
from portal.ops import figures, fleet, work
from tenants import database_clock, discrepancies
from transcription.models import Lane

Query = Mapping[str, str]


def overview(_query: Query) -> dict[str, Any]:
    now = figures.read()
    return {
        "figures": now,
        "problems": health.examine().problems,
        "discrepancies": discrepancies.of_check(now.accounts),
        "chart": charts.bars(now.bars),
        "free_gib": health.least_free_gib(),
    }


def queue(query: Query) -> dict[str, Any]:
    chosen = work.Filter(tenant=as_uuid(query.get("tenant", "")), lane=_lane(query.get("lane", "")))
    return {
        "at": database_clock.now(),
        "backlogs": list(work.backlogs()),
        "lanes": figures.lanes(),
        "rows": list(work.waiting(chosen)),
        "chosen": chosen,
        "actions": work.FOR_WAITING,
        "most": work.SHOWN,
    }


def engines(_query: Query) -> dict[str, Any]:
    return {"fleet": fleet.read()}


PUSHED: dict[str, Callable[[Query], dict[str, Any]]] = {
    "operations": overview,
    "operations_queue": queue,
    "operations_engines": engines,
}


ASKED = ("tenant", "lane")
"""Of their queries: whatever else one says would be a page of its own to compute."""


def as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _lane(text: str) -> int | None:
    return int(text) if text in map(str, Lane.values) else None

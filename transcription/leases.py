"""Leases on database rows: who may work on a row, until when, and when it is tried again.

A process claims a row by one UPDATE that raises the row's fence and counts its rows: of those that race, one wins. It
works outside any transaction and renews its lease by the database's clock. Each of its writes is conditional on the
fence, so that a process whose row was taken over, cancelled or deleted meanwhile changes nothing.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import F, Model, QuerySet

Row = TypeVar("Row", bound=Model)


class LostClaim(Exception):
    """The row is no longer this process's: its fence was raised, or it is in another state."""


@dataclass(frozen=True)
class Claim:
    """The right to write to a row, until its lease expires and another process claims it."""

    tenant_id: UUID
    id: UUID
    fence: int
    request_id: str
    """The id of the HTTP request that the row goes back to, for log lines."""


def claim(rows: QuerySet[Row], row: Row, **changes: Any) -> Claim | None:
    """Claims `row` and makes `changes`. Returns None if it is no longer among `rows`, or its fence was raised."""
    seen: Any = row
    mine = rows.filter(pk=seen.pk, fence=seen.fence)
    if sum(map(bool, mine.query.alias_refcount.values())) > 1:
        # Django asks for joined rows in a subquery, which PostgreSQL doesn't ask again once another was faster.
        mine = rows.model._default_manager.filter(pk=seen.pk, fence=seen.fence, pk__in=mine.order_by().values("pk"))
    won = mine.update(fence=F("fence") + 1, **changes)
    return Claim(seen.tenant_id, seen.pk, seen.fence + 1, seen.request_id) if won else None


def claimed(rows: QuerySet[Row], claim: Claim) -> QuerySet[Row]:
    """Selects the claimed row, as long as it is among `rows` and nobody else claims it."""
    return rows.filter(pk=claim.id, fence=claim.fence)


def read(rows: QuerySet[Row]) -> Row:
    """Returns the row that `rows` selects. Raises LostClaim if it selects none."""
    row = rows.first()
    if row is None:
        raise LostClaim
    return row


def write(rows: QuerySet[Any], **changes: Any) -> None:
    """Updates the row that `rows` selects. Raises LostClaim if it selects none."""
    if not rows.update(**changes):
        raise LostClaim


@dataclass(frozen=True)
class Backoff:
    """`delays` between attempts in seconds; the last repeats. Each varies by ± `jitter`, so that retries spread out."""

    delays: tuple[float, ...]
    jitter: float = 0.2

    def after(self, attempts: int) -> float:
        """Returns the seconds to wait after so many failed attempts, at least one."""
        delay = self.delays[min(attempts, len(self.delays)) - 1]
        return delay * random.uniform(1 - self.jitter, 1 + self.jitter)  # noqa: S311 - no secret


class Renewal:
    """Calls `renew` at most every so many seconds, however often the work in progress calls it."""

    def __init__(self, renew: Callable[..., object], seconds: float) -> None:
        self._renew, self._seconds, self._renewed_at = renew, seconds, time.monotonic()

    def __call__(self, *progress: Any) -> None:
        if time.monotonic() - self._renewed_at >= self._seconds:
            self._renew(*progress)
            self._renewed_at = time.monotonic()

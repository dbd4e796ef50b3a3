"""The database's clock, which every process on every host shares.

Times that one process writes and another compares (leases, heartbeats, due times) use this clock: Django's `Now()`
in queries, `now()` elsewhere. Times that are only displayed may use the host's clock.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models.functions import Now
from django.db.models.sql import Query
from django.utils import timezone

log = logging.getLogger(__name__)
MAX_SKEW_SECONDS = 2.0
WARN_EVERY_SECONDS = 600.0
UNIX_SECONDS = {
    "postgresql": "extract(epoch FROM statement_timestamp())::float8",
    "sqlite": "((julianday('now') - 2440587.5) * 86400.0)",
}

_warned_at: float | None = None


def now() -> datetime:
    """Returns the database's time, by one short query."""
    query = Query(None)  # as Q.check() does: an expression that needs no table
    query.add_annotation(Now(), "now")
    found: datetime = next(iter(query.get_compiler(DEFAULT_DB_ALIAS).results_iter()))[0]
    return found


def unix_seconds_sql() -> str:
    """Returns SQL for the database's time in seconds since 1970."""
    return UNIX_SECONDS[connection.vendor]


def skew() -> float:
    """Returns the seconds by which this process's clock is at least ahead of the database's; negative when behind.

    However long the query takes, its answer lies between the times before and after it when the clocks agree.
    """
    before, found, after = timezone.now(), now(), timezone.now()
    return max(0.0, (before - found).total_seconds()) + min(0.0, (after - found).total_seconds())


def is_skewed(seconds: float) -> bool:
    return abs(seconds) > MAX_SKEW_SECONDS


def described(seconds: float) -> str:
    """Returns a skew in words: "16.0 s ahead of the database's"."""
    return f"{abs(seconds):.1f} s {'ahead of' if seconds > 0 else 'behind'} the database's"


def checked_skew() -> float:
    """Returns the skew; logs a warning, at most every ten minutes, when it is too large."""
    global _warned_at
    seconds = skew()
    due = _warned_at is None or time.monotonic() - _warned_at >= WARN_EVERY_SECONDS
    if is_skewed(seconds) and due:
        _warned_at = time.monotonic()
        log.warning("This host's clock is %s. Let NTP set the clocks of all hosts.", described(seconds))
    return seconds

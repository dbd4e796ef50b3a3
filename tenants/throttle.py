"""Limits on attempts, counted in the database for all web processes.

Leaky buckets, as in tenants.rate_limit: `amount` attempts at once, then one more every `seconds / amount`. One
statement checks and counts. A bucket's key is stored as a keyed digest, since people type passwords into wrong fields.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection
from django.db.models import F
from django.utils.crypto import salted_hmac

from tenants import database_clock
from tenants.models import Attempts

TAKE_SQL = """
    INSERT INTO tenants_attempts AS bucket (key, empty_at) VALUES (%s, {now} + %s)
    ON CONFLICT (key) DO UPDATE
    SET empty_at = (CASE WHEN bucket.empty_at > {now} THEN bucket.empty_at ELSE {now} END) + %s
    WHERE bucket.empty_at <= {now} + %s
    RETURNING empty_at
"""


@dataclass(frozen=True)
class Limit:
    """Allows `amount` attempts in `seconds` for each subject, such as an address or an account."""

    name: str
    amount: int
    seconds: float

    @property
    def share(self) -> float:
        return self.seconds / self.amount

    def take(self, *subject: str) -> bool:
        """Counts one attempt. Returns False, and counts nothing, if there were too many."""
        latest = self.seconds - self.share * 0.99  # tolerates the rounding of Unix times in floats
        with connection.cursor() as cursor:
            now = database_clock.unix_seconds_sql()
            cursor.execute(TAKE_SQL.format(now=now), [self._key(subject), self.share, self.share, latest])
            return bool(cursor.fetchall())

    def give_back(self, *subject: str) -> None:
        """Uncounts one attempt."""
        Attempts.objects.filter(key=self._key(subject)).update(empty_at=F("empty_at") - self.share)

    def forget(self, *subject: str) -> None:
        """Uncounts all attempts."""
        Attempts.objects.filter(key=self._key(subject)).delete()

    def _key(self, subject: tuple[str, ...]) -> str:
        return salted_hmac(f"tenants.throttle.{self.name}", repr(subject), algorithm="sha256").hexdigest()


def forget_old() -> int:
    """Deletes empty buckets, which equal missing ones, and returns their number."""
    return Attempts.objects.filter(empty_at__lt=database_clock.now().timestamp()).delete()[0]

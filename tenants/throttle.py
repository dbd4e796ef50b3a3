"""How often something may be tried, counted in the database: for all web processes, across restarts.

Leaky buckets, as in tenants.rate_limit: `amount` tries at once, then one more each `seconds / amount`. Asking and
counting are one statement. Whom a bucket is of stands in it as a keyed digest: people type passwords into the wrong
field.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection
from django.db.models import F
from django.utils.crypto import salted_hmac

from tenants import database_clock
from tenants.models import Attempts

POUR = """
    INSERT INTO tenants_attempts AS bucket (key, empty_at) VALUES (%s, {now} + %s)
    ON CONFLICT (key) DO UPDATE
    SET empty_at = (CASE WHEN bucket.empty_at > {now} THEN bucket.empty_at ELSE {now} END) + %s
    WHERE bucket.empty_at <= {now} + %s
    RETURNING empty_at
"""


@dataclass(frozen=True)
class Limit:
    """So many tries in so many seconds, for each of those whom it is asked for."""

    name: str
    amount: int
    seconds: float

    @property
    def share(self) -> float:
        return self.seconds / self.amount

    def take(self, *whom: str) -> bool:
        """Counts one try. Returns False, and counts nothing, where there were too many."""
        room = self.seconds - self.share * 0.99  # seconds of Unix time in a float add up only nearly
        with connection.cursor() as cursor:
            now = database_clock.unix_seconds_sql()
            cursor.execute(POUR.format(now=now), [self._key(whom), self.share, self.share, room])
            return bool(cursor.fetchall())

    def give_back(self, *whom: str) -> None:
        """The last try does not count after all."""
        Attempts.objects.filter(key=self._key(whom)).update(empty_at=F("empty_at") - self.share)

    def _key(self, whom: tuple[str, ...]) -> str:
        return salted_hmac(f"tenants.throttle.{self.name}", repr(whom), algorithm="sha256").hexdigest()


def forget_old() -> int:
    """Deletes buckets that have run dry: they say no more than none does. Returns how many."""
    return Attempts.objects.filter(empty_at__lt=database_clock.now().timestamp()).delete()[0]

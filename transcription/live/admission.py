"""How many live sessions a tenant has at once, and what their sound costs."""

from __future__ import annotations

import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID

from django.db import transaction
from redis.exceptions import RedisError

from tenants import quota, scope
from tenants.access import Actor
from tenants.models import Tenant
from tenants.quota import QuotaExceeded
from transcription import redis

LEASE_SECONDS = 20
"""How long a session counts that was not renewed: its web process has died."""

DESCRIPTION = "Live session"

ADMIT = """
local now = redis.call('TIME')[1]
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZSCORE', KEYS[1], ARGV[1]) == false and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then
  return 0
end
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
"""


class TooManySessions(Exception):
    """The tenant has as many live sessions as transcriptions may run at once: `limit`."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit


class LiveUnavailable(Exception):
    """Redis is away, without which there is no live text."""


def enter(tenant: Tenant, session_id: str) -> None:
    """Counts a session, or renews it. Raises TooManySessions, LiveUnavailable, and QuotaExceeded where no second is
    left.
    """
    quota.check(tenant, 1, 0)
    limit = tenant.quota.concurrent
    try:
        admitted = redis.connection().eval(ADMIT, 1, _key(tenant.id), session_id, limit, LEASE_SECONDS)
    except RedisError as error:
        raise LiveUnavailable from error
    if not admitted:
        raise TooManySessions(limit)


def leave(tenant_id: UUID, session_id: str) -> None:
    """Counts a session no more."""
    try:
        redis.connection().zrem(_key(tenant_id), session_id)
    except RedisError:
        return  # it counts until its lease ends


@dataclass(slots=True)
class Meter:
    """What one session is charged: each second of its turns once, when their text is whole."""

    actor: Actor
    _seconds: float = 0.0
    _charged: int = field(default=0)

    def charge(self, seconds: float) -> None:
        """Charges another `seconds`, so that the session in all is rounded up once.

        Raises QuotaExceeded where less is left of the month, after that was charged.
        """
        self._seconds += seconds
        try:
            self._take(quota.billed_seconds(self._seconds) - self._charged)
        except QuotaExceeded as exceeded:
            with suppress(QuotaExceeded):
                self._take(exceeded.left)
            raise

    def _take(self, seconds: int) -> None:
        if seconds <= 0:
            return
        charge_id, tenant = uuid.uuid4(), self.actor.tenant
        with scope.bound(tenant.id), transaction.atomic():
            quota.reserve(tenant, charge_id, seconds, user=self.actor.user, key=self.actor.key)
            quota.settle(charge_id, seconds, DESCRIPTION)
        self._charged += seconds


def _key(tenant_id: UUID) -> str:
    return f"live:sessions:{tenant_id}"

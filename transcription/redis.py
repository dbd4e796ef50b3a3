"""The one connection to Redis or Valkey, which may be away at any time."""

from __future__ import annotations

from functools import cache
from time import perf_counter

from django.conf import settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

TIMEOUT_SECONDS = 1.0


@cache
def connection() -> Redis:
    """Returns a connection that gives up quickly: nobody's work waits for Redis."""
    return Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


def is_writable() -> bool:
    """Returns whether Redis takes writes: one that is full, or read-only after a failover, delivers no wake-ups."""
    try:
        return bool(connection().set("portal:writable", 1, ex=60))
    except RedisError:
        return False


def ping() -> float | None:
    """Returns the milliseconds of a round trip; None while Redis is away."""
    begin = perf_counter()
    try:
        connection().ping()
    except RedisError:
        return None
    return (perf_counter() - begin) * 1000

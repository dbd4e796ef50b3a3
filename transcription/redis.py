"""The one connection to Redis or Valkey, which may be away at any time."""

from __future__ import annotations

from functools import cache
from time import perf_counter

from django.conf import settings
from redis import Redis
from redis import asyncio as aio
from redis.exceptions import RedisError, ResponseError

from transcription import redis_address

TIMEOUT_SECONDS = 1.0
NO_EVICTION = "noeviction"


class EvictsKeys(Exception):
    """Redis deletes keys when its memory is full: wake-ups and events would be lost."""


@cache
def connection() -> Redis:
    """Returns a connection that gives up quickly: nobody's work waits for Redis."""
    return _connect()


def _connect() -> Redis:
    return new_client(TIMEOUT_SECONDS)


def new_client(seconds: float | None) -> Redis:
    """Returns a client of its own, which waits so long for an answer: longer than a blocking read takes."""
    return redis_address.parse(settings.REDIS_URL).client(
        socket_timeout=seconds, socket_connect_timeout=TIMEOUT_SECONDS
    )


def new_async_client(seconds: float) -> aio.Redis:
    """Returns the same for asyncio; redis-py's own would wait five seconds."""
    return redis_address.parse(settings.REDIS_URL).async_client(
        socket_timeout=seconds, socket_connect_timeout=TIMEOUT_SECONDS
    )


def silent_sentinels() -> list[str]:
    """Returns the Sentinels of REDIS_URL that do not know the primary, or do not answer."""
    return redis_address.parse(settings.REDIS_URL).silent_sentinels()


def eviction_policy() -> str:
    """Returns Redis' own word for what it deletes when it is full; noeviction where it tells nobody.

    Raises RedisError.
    """
    with _connect() as asked:
        try:
            return str(asked.config_get("maxmemory-policy").get("maxmemory-policy", NO_EVICTION))
        except ResponseError:  # managed ones know no CONFIG
            return NO_EVICTION


def require_no_eviction() -> None:
    """Raises EvictsKeys. A Redis that is away is asked another time."""
    try:
        policy = eviction_policy()
    except RedisError:
        return
    if policy != NO_EVICTION:
        raise EvictsKeys(
            f"Redis evicts keys ({policy}): wake-ups would be lost. Set its maxmemory-policy to noeviction, and give "
            "other caches a Redis of their own."
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

"""RQ is a doorbell: a job says "there is work in this lane" and nothing else.

Losing one, all, or Redis itself loses nothing: the sweeper rings again from the database.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import cache, partial
from time import perf_counter

import django_rq
from django.conf import settings
from django.db import transaction
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from rq.serializers import JSONSerializer

from transcription.models import Lane

log = logging.getLogger(__name__)
WORK = "transcription.worker.job.work"
REDIS_PATIENCE_SECONDS = 1.0
RESULT_TTL_SECONDS = 0
FAILURE_TTL_SECONDS = 3600


@cache
def doorbell() -> Redis:
    """A connection that gives up quickly: whoever rings must not wait for Redis."""
    return Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=REDIS_PATIENCE_SECONDS,
        socket_connect_timeout=REDIS_PATIENCE_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


def names_of(lanes: Iterable[int]) -> list[str]:
    """Lanes as queue names, first served first."""
    return [Lane(lane).key for lane in lanes]


def ring(lane: int) -> bool:
    """Wakes a worker; False when Redis is away, which delays the work by seconds."""
    name = Lane(lane).key
    bell = django_rq.get_queue(name, connection=doorbell(), serializer=JSONSerializer, commit_mode="auto")
    try:
        bell.enqueue(WORK, result_ttl=RESULT_TTL_SECONDS, failure_ttl=FAILURE_TTL_SECONDS)
    except RedisError as error:
        log.warning("Could not ring for the %s lane (%s): workers look into the database.", name, error)
        return False
    return True


def ring_unless_rung(lane: int | None) -> None:
    """Rings for a lane where something waits, unless a wake-up waits there too."""
    if lane is not None and _waiting().get(lane) == 0:
        ring(lane)


def ring_on_commit(lane: int) -> None:
    transaction.on_commit(partial(ring, lane), robust=True)


def ring_missing(due: dict[int, int]) -> int:
    """Rings where fewer wake-ups wait than transcriptions are due; the number of rings."""
    rung = 0
    for lane, waiting in _waiting().items():
        missing = min(due.get(lane, 0), settings.WORKERS) - waiting
        rung += sum(ring(lane) for _ in range(missing))
    return rung


def is_there() -> bool:
    """Whether Redis takes what is written: one that is full, or read-only after a failover, rings no bell."""
    try:
        return bool(doorbell().set("portal:writable", 1, ex=60))
    except RedisError:
        return False


def ping() -> float | None:
    """Milliseconds of a round trip to Redis; None when it is away."""
    begin = perf_counter()
    try:
        doorbell().ping()
    except RedisError:
        return None
    return (perf_counter() - begin) * 1000


def _waiting() -> dict[int, int]:
    lanes: Iterable[int] = Lane.values
    try:
        return {lane: doorbell().llen(f"rq:queue:{Lane(lane).key}") for lane in lanes}
    except RedisError:
        return {}

"""Wakes workers through RQ. A job says that a lane has work, and nothing else.

Wake-ups may be lost: workers look into the database, and the sweeper sends missing ones again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial

import django_rq
from django.conf import settings
from django.db import transaction
from redis.exceptions import RedisError
from rq.serializers import JSONSerializer

from transcription.models import Lane
from transcription.redis import connection

log = logging.getLogger(__name__)
WORK = "transcription.worker.job.work"
RESULT_TTL_SECONDS = 0
FAILURE_TTL_SECONDS = 3600
MOST_WAKE_UPS = 64
"""Of one lane, where the number of workers is not set: as many as a gpuworker has at most."""


def queue_names(lanes: Iterable[int]) -> list[str]:
    """Returns the lanes' queue names, first served first."""
    return [Lane(lane).key for lane in lanes]


def wake(lane: int) -> bool:
    """Wakes a worker. Returns False while Redis is away, which delays the work by seconds."""
    name = Lane(lane).key
    queue = django_rq.get_queue(name, connection=connection(), serializer=JSONSerializer, commit_mode="auto")
    try:
        queue.enqueue(WORK, result_ttl=RESULT_TTL_SECONDS, failure_ttl=FAILURE_TTL_SECONDS)
    except RedisError as error:
        log.warning("Could not wake a worker for the %s lane (%s): workers look into the database.", name, error)
        return False
    return True


def wake_once(lane: int | None) -> None:
    """Wakes a worker for a lane, unless a wake-up is queued there already."""
    if lane is not None and _waiting().get(lane) == 0:
        wake(lane)


def wake_on_commit(lane: int) -> None:
    transaction.on_commit(partial(wake, lane), robust=True)


def wake_missing(due: dict[int, int]) -> int:
    """Sends wake-ups where fewer of them wait than transcriptions are due. Returns how many it sent."""
    sent = 0
    for lane, waiting in _waiting().items():
        missing = min(due.get(lane, 0), settings.WORKERS or MOST_WAKE_UPS) - waiting
        sent += sum(wake(lane) for _ in range(missing))
    return sent


def _waiting() -> dict[int, int]:
    lanes: Iterable[int] = Lane.values
    try:
        return {lane: connection().llen(f"rq:queue:{Lane(lane).key}") for lane in lanes}
    except RedisError:
        return {}

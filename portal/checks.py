"""Misconfiguration that would lose work is named before it does: `manage.py check --deploy`."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error, Tags, Warning, register
from redis.exceptions import RedisError

from transcription.queue import doorbell

NO_EVICTION = "noeviction"


@register(Tags.caches, deploy=True)
def redis_evicts_nothing(**_kwargs: Any) -> list[CheckMessage]:
    """A Redis that evicts drops wake-ups and events silently."""
    try:
        policy = doorbell().config_get("maxmemory-policy").get("maxmemory-policy", NO_EVICTION)
    except RedisError as error:
        return [Warning(f"Redis could not be asked for its eviction policy: {error}", id="portal.W001")]
    if policy == NO_EVICTION:
        return []
    hint = "Set maxmemory-policy to noeviction, and give other caches a Redis of their own."
    return [Error(f"Redis evicts keys ({policy}): wake-ups would be lost.", hint=hint, id="portal.E001")]

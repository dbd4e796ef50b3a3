"""System checks of the configuration, run by `manage.py check --deploy`."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured

from portal.http.cors import is_origin
from transcription import redis
from transcription.options import offered_models


@register(Tags.caches, deploy=True)
def redis_evicts_nothing(**_kwargs: Any) -> list[CheckMessage]:
    """Reports a Redis that evicts keys, with which neither sweepers nor gpuworkers start."""
    try:
        redis.require_no_eviction()
    except redis.EvictsKeys as error:
        return [Error(str(error), id="portal.E001")]
    if redis.ping() is None:
        return [Warning("Redis could not be asked for its eviction policy: it does not answer.", id="portal.W001")]
    return []


@register(Tags.security)
def allowed_origins_are_origins(**_kwargs: Any) -> list[CheckMessage]:
    """Reports origins that browsers never send, and `*` and `null`, which would allow all."""
    hint = "Name scheme, host and a port that is not the scheme's own, in lower case: https://app.example.com"
    wrong = [origin for origin in settings.CORS_ALLOWED_ORIGINS if not is_origin(origin)]
    return [Error(f"CORS_ALLOWED_ORIGINS: {origin!r} is no origin.", hint=hint, id="portal.E002") for origin in wrong]


@register(Tags.models)
def models_can_be_offered(**_kwargs: Any) -> list[CheckMessage]:
    """Reports models of WHISPER_MODELS whose name or source cannot be meant."""
    try:
        offered_models.offered()
    except ImproperlyConfigured as error:
        hint = "Write a published name such as large-v3, or your own model as NAME=/a/folder or NAME=user/repository."
        return [Error(str(error), hint=hint, id="portal.E003")]
    return []

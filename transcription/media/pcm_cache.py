"""Caches a short clip's decoded audio in Redis between intake and the job, so that ffmpeg runs once.

An optimisation only: without a cached entry the job decodes the recording. Entries expire after HELD_SECONDS, so that
many clips can't fill Redis.
"""

from __future__ import annotations

import logging
from uuid import UUID

from redis.exceptions import RedisError

from transcription.redis import connection

log = logging.getLogger(__name__)
HELD_SECONDS = 5


def put(transcription_id: UUID, pcm: bytes) -> None:
    """Caches 16 kHz mono s16le PCM for the transcription's next claim."""
    try:
        connection().set(_key(transcription_id), pcm, ex=HELD_SECONDS)
    except RedisError as error:
        log.info("The decoded audio was not cached (%s); the job decodes it again.", error)


def take(transcription_id: UUID) -> bytes | None:
    """Removes and returns the PCM, or None if there is none."""
    try:
        pcm = connection().getdel(_key(transcription_id))
    except RedisError:
        return None
    return pcm if isinstance(pcm, bytes) else None


def _key(transcription_id: UUID) -> str:
    return f"pcm:{transcription_id}"

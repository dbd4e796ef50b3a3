"""A short clip's decoded sound, handed from intake to the job over Redis, so that ffmpeg runs once.

A shortcut for people who wait, and nothing else: whoever finds nothing here decodes the recording itself. What
nobody took within HELD_SECONDS is gone, so that a flood of clips can't fill Redis.
"""

from __future__ import annotations

import logging
from uuid import UUID

from redis.exceptions import RedisError

from transcription.redis import connection

log = logging.getLogger(__name__)
HELD_SECONDS = 5


def put(transcription_id: UUID, pcm: bytes) -> None:
    """Holds 16 kHz mono s16le PCM for whoever claims the transcription next."""
    try:
        connection().set(_key(transcription_id), pcm, ex=HELD_SECONDS)
    except RedisError as error:
        log.info("No handover (%s): the job decodes.", error)


def take(transcription_id: UUID) -> bytes | None:
    """The PCM, once; None where the job has to decode."""
    try:
        found = connection().getdel(_key(transcription_id))
    except RedisError:
        return None
    return found if isinstance(found, bytes) else None


def _key(transcription_id: UUID) -> str:
    return f"handover:{transcription_id}"

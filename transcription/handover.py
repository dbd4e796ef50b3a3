"""A short clip's decoded sound, handed from intake to the job over Redis, so that ffmpeg runs once.

Only the whole sound of the track that is transcribed is handed over, with the warnings that decoding it gave.

A shortcut for people who wait, and nothing else: whoever finds nothing here decodes the recording itself. What
nobody took within HELD_SECONDS is gone, so that a flood of clips can't fill Redis.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from redis.exceptions import RedisError

from transcription.queue import doorbell

log = logging.getLogger(__name__)
HELD_SECONDS = 5


@dataclass(frozen=True)
class Handed:
    """The whole sound as 16 kHz mono s16le PCM, and the codes of `media.decode`'s warnings."""

    pcm: bytes
    warnings: list[str]


def leave(transcription_id: UUID, pcm: bytes, warnings: Collection[str] = ()) -> None:
    """Holds decoded sound for whoever claims the transcription next."""
    try:
        doorbell().set(_key(transcription_id), json.dumps(list(warnings)).encode() + b"\n" + pcm, ex=HELD_SECONDS)
    except RedisError as error:
        log.info("No handover (%s): the job decodes.", error)


def take(transcription_id: UUID) -> Handed | None:
    """The sound, once; None where the job has to decode."""
    try:
        found = doorbell().getdel(_key(transcription_id))
    except RedisError:
        return None
    if not isinstance(found, bytes):
        return None
    warnings, pcm = found.split(b"\n", 1)
    return Handed(pcm, json.loads(warnings))


def _key(transcription_id: UUID) -> str:
    return f"handover:2:{transcription_id}"

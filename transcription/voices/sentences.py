"""How a sentence that somebody reads travels to a gpuworker, which has the networks, and what is heard in it back.

Both lie in Redis for seconds, sealed, since Redis may write what it holds to its disk. Who waits for a gpuworker that
is gone reads the sentence again.
"""

from __future__ import annotations

import base64
import json
import time
import uuid
from typing import Any

import numpy as np
from redis import Redis
from redis.exceptions import RedisError

from transcription.connections import lend_connection
from transcription.diarization.voices import Sample
from transcription.redis import TIMEOUT_SECONDS, new_client
from transcription.voices import sealing

QUEUE = "voices:sentences"
WAIT_SECONDS = 45
"""How long an answer is waited for, and a sentence or its answer kept. The networks may have to be fetched first."""

POLL_SECONDS = 2
MOST_WAITING = 32


class NotHeard(Exception):
    """Nobody listened to the sentence: the same one may be heard later."""


def hear(pcm: bytes) -> Sample:
    """Returns what a gpuworker hears in mono s16le at 16 kHz. Raises NotHeard."""
    lend_connection()
    name = uuid.uuid4().hex
    try:
        with connection() as redis:
            _leave(redis, name, pcm)
            answer = _answer_to(redis, name)
    except RedisError as error:
        raise NotHeard(f"Redis is away: {error}") from error
    found = json.loads(sealing.unseal(answer))
    if "error" in found:
        raise NotHeard(found["error"])
    voice = np.frombuffer(base64.b64decode(found["voice"]), "<f4")
    return Sample(voice.astype(np.float32), found["seconds"], found["most"])


def take(redis: Redis) -> tuple[str, bytes] | None:
    """Returns the name and the sound of the next sentence; None where none came within two seconds.

    Raises RedisError.
    """
    taken: Any = redis.blpop([QUEUE], timeout=POLL_SECONDS)
    if taken is None:
        return None
    name = taken[1].decode()
    sealed: Any = redis.getdel(_sentence_key(name))
    return (name, sealing.unseal(sealed)) if sealed else None


def answer(redis: Redis, name: str, heard: Sample | str) -> None:
    """Answers with what was heard, or with why nothing was. Raises RedisError."""
    if isinstance(heard, str):
        found: dict[str, Any] = {"error": heard}
    else:
        voice = base64.b64encode(heard.voice.astype("<f4").tobytes()).decode()
        found = {"voice": voice, "seconds": heard.seconds, "most": heard.most}
    with redis.pipeline() as pipe:
        pipe.rpush(_answer_key(name), sealing.seal(json.dumps(found).encode()))
        pipe.expire(_answer_key(name), WAIT_SECONDS)
        pipe.execute()


def connection() -> Redis:
    """Returns a connection that can wait for POLL_SECONDS."""
    return new_client(POLL_SECONDS + TIMEOUT_SECONDS)


def _leave(redis: Redis, name: str, pcm: bytes) -> None:
    """Raises NotHeard and RedisError."""
    with redis.pipeline() as pipe:
        pipe.set(_sentence_key(name), sealing.seal(pcm), ex=WAIT_SECONDS)
        pipe.rpush(QUEUE, name)
        pipe.expire(QUEUE, WAIT_SECONDS)
        _stored, waiting, _expires = pipe.execute()
    if waiting > MOST_WAITING:
        redis.delete(_sentence_key(name))
        raise NotHeard("too many sentences wait")


def _answer_to(redis: Redis, name: str) -> bytes:
    """Raises NotHeard and RedisError."""
    until = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < until:
        answer: Any = redis.blpop([_answer_key(name)], timeout=POLL_SECONDS)
        if answer is not None:
            return bytes(answer[1])
    raise NotHeard(f"no gpuworker answered within {WAIT_SECONDS} s")


def _sentence_key(name: str) -> str:
    return f"voices:sentence:{name}"


def _answer_key(name: str) -> str:
    return f"voices:answer:{name}"

"""How a live pass travels: from a web process to an engine, which may be on another host, and back.

An engine is reached through its own host only, and Redis is what every host reaches. A web process leaves the sound of
a pass there for a few seconds and waits for the answer; a relay beside an engine (transcription.worker.live_relay)
takes it, asks the engine, and answers. A pass holds all that it takes, so any relay may have it, and one that is lost
is simply made again with the sound that came meanwhile. Nothing of it is kept: what Redis loses is heard again.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.exceptions import RedisError

from transcription.live.agreement import Heard
from transcription.redis import TIMEOUT_SECONDS, new_async_client, new_client

QUEUE = "live:passes"
PASS_SECONDS = 20
"""How long an answer is waited for, and a pass or its answer kept."""

POLL_SECONDS = 2
MOST_WAITING = 64
"""Passes that wait for all engines together, beyond which another is refused: they would be too old when heard."""


class PassFailed(Exception):
    """No text came of a pass. Another one, with the same sound, may succeed."""


@dataclass(frozen=True, slots=True)
class Pass:
    """What an engine is asked: sound, 16 kHz mono s16le, and how it is to be heard."""

    pcm: bytes
    model: str
    language: str = ""
    languages: Sequence[str] = ()
    prompt: str = ""
    hotwords: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class PassResult:
    segments: tuple[Heard, ...]
    language: str = ""


class PassQueue:
    """A session's way to the engines. It has one pass under way at a time."""

    def __init__(self) -> None:
        self._redis = new_async_client(PASS_SECONDS + TIMEOUT_SECONDS)

    async def run(self, wanted: Pass) -> PassResult:
        """Returns what an engine hears. Raises PassFailed."""
        try:
            async with asyncio.timeout(PASS_SECONDS + 2 * TIMEOUT_SECONDS):
                answer = await self._answer_to(wanted)
        except (RedisError, TimeoutError) as error:
            raise PassFailed(f"Redis is away: {error}") from error
        if answer is None:
            raise PassFailed(f"no engine answered within {PASS_SECONDS} s")
        return _result_of(json.loads(answer[1]))

    async def _answer_to(self, wanted: Pass) -> Any:
        """Returns an answer's key and the answer; None where none came. Raises PassFailed and RedisError."""
        name = uuid.uuid4().hex
        async with self._redis.pipeline() as pipe:
            pipe.set(_pass_key(name), _packed(wanted), ex=PASS_SECONDS)
            pipe.rpush(QUEUE, name)
            pipe.expire(QUEUE, PASS_SECONDS)
            _stored, waiting, _expires = await pipe.execute()
        if waiting > MOST_WAITING:
            await self._redis.delete(_pass_key(name))
            raise PassFailed("too many live passes wait")
        return await self._redis.blpop([_answer_key(name)], timeout=PASS_SECONDS)

    async def close(self) -> None:
        await self._redis.aclose()


class PassSource:
    """A relay's side: it takes passes, and answers them, in any thread."""

    def __init__(self) -> None:
        self._redis = new_client(POLL_SECONDS + TIMEOUT_SECONDS)

    def take(self) -> tuple[str, Pass] | None:
        """Returns the name of the next pass and the pass; None where none came within two seconds.

        Raises RedisError.
        """
        taken: Any = self._redis.blpop([QUEUE], timeout=POLL_SECONDS)
        if taken is None:
            return None
        name = taken[1].decode()
        packed: Any = self._redis.getdel(_pass_key(name))
        return (name, _unpacked(packed)) if packed else None

    def answer(self, name: str, result: PassResult | str) -> None:
        """Answers a pass with what was heard, or with why nothing was. Raises RedisError."""
        if isinstance(result, str):
            answer: dict[str, Any] = {"error": result}
        else:
            segments = [[segment.end, segment.text] for segment in result.segments]
            answer = {"segments": segments, "language": result.language}
        with self._redis.pipeline() as pipe:
            pipe.rpush(_answer_key(name), json.dumps(answer))
            pipe.expire(_answer_key(name), PASS_SECONDS)
            pipe.execute()


def _result_of(answer: dict[str, Any]) -> PassResult:
    """Raises PassFailed."""
    if "error" in answer:
        raise PassFailed(str(answer["error"]))
    return PassResult(tuple(Heard(end, text) for end, text in answer["segments"]), answer["language"])


def _packed(wanted: Pass) -> bytes:
    named = {
        name: getattr(wanted, name) for name in ("model", "language", "languages", "prompt", "hotwords", "request_id")
    }
    return json.dumps(named).encode() + b"\n" + wanted.pcm


def _unpacked(packed: bytes) -> Pass:
    head, _newline, pcm = packed.partition(b"\n")
    return Pass(pcm=pcm, **json.loads(head))


def _pass_key(name: str) -> str:
    return f"live:pass:{name}"


def _answer_key(name: str) -> str:
    return f"live:answer:{name}"

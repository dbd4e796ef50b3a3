"""The process of a gpuworker that hands live passes to the engine beside it, and listens to voices to be enrolled."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import NoReturn

from django.conf import settings
from redis.exceptions import RedisError

from transcription.engine import modes
from transcription.engine.client import EngineClient
from transcription.engine.types import DecodeOptions, EngineError, EngineUnavailable
from transcription.live.agreement import Heard
from transcription.live.passes import Pass, PassResult, PassSource
from transcription.worker import voice_listener

log = logging.getLogger(__name__)
THREADS = 16
"""Passes that are under way at once. The engine merges them into batches, or lets them wait for each other."""

RETRY_SECONDS = 2.0
PATIENCE_SECONDS = 2.0
"""How long a pass waits for an engine that is away: the next one is there soon."""


def relay() -> NoReturn:
    """Takes passes and sentences and answers them until the process is ended."""
    threading.Thread(target=voice_listener.serve, daemon=True).start()
    source, free, pool = PassSource(), threading.Semaphore(THREADS), ThreadPoolExecutor(THREADS)
    while True:
        free.acquire()  # before a pass is taken that another relay could answer at once
        if (taken := _take(source)) is None:
            free.release()
            continue
        try:
            pool.submit(_answer, source, *taken).add_done_callback(lambda _done: free.release())
        except RuntimeError as error:
            log.warning("A live pass waits for a thread: %s", error)
            free.release()


def hear(wanted: Pass) -> PassResult:
    """Returns what the engine hears in a pass, on the interactive lane. Raises EngineError."""
    client = EngineClient(str(settings.ENGINE_SOCKET), PATIENCE_SECONDS, wanted.request_id)
    with suppress(EngineUnavailable):
        if not client.status().ready:
            raise EngineError("the engine is starting")
    options = DecodeOptions(
        model=wanted.model,
        language=wanted.language or None,
        languages=() if wanted.language else tuple(wanted.languages),
        prompt=wanted.prompt,
        hotwords=wanted.hotwords,
        follow_language=False,
        lane="interactive",
    )
    results = list(modes.transcribe(client, [wanted.pcm], options, "fast"))
    segments = tuple(Heard(segment.end, segment.text) for result in results for segment in result.segments)
    return PassResult(segments, results[0].language if results else "")


def _take(source: PassSource) -> tuple[str, Pass] | None:
    try:
        return source.take()
    except RedisError as error:
        log.info("No live passes while Redis is away (%s).", error)
        time.sleep(RETRY_SECONDS)
    except Exception:
        log.exception("A live pass could not be taken")
    return None


def _answer(source: PassSource, name: str, wanted: Pass) -> None:
    try:
        source.answer(name, _answer_to(wanted))
    except RedisError as error:
        log.info("A live pass was not answered, since Redis is away (%s).", error)
    except Exception:
        log.exception("A live pass could not be answered")


def _answer_to(wanted: Pass) -> PassResult | str:
    try:
        return hear(wanted)
    except EngineError as error:
        log.warning("A live pass failed: %s", error)
        return str(error)

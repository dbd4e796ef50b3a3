"""The stages around decoding: validation, encoding, language detection, prompts and word times."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Generic, TypeVar, cast

from transcription.engine.backend import (
    Decoded,
    DeviceLost,
    Language,
    Model,
    OutOfDeviceMemory,
    ServerAway,
    Vocabulary,
    Work,
)
from transcription.engine.fallback import next_temperature
from transcription.engine.lane_queue import Request, request_ids
from transcription.engine.models import Models
from transcription.engine.prompts import context_of, prompt_of
from transcription.engine.request_queue import RequestQueue
from transcription.engine.short_context import is_doubtful, is_measured
from transcription.engine.spoken_language import among, followed
from transcription.engine.types import LAST_TIMESTAMP, WINDOW_FRAMES, EngineError, WindowRejected
from transcription.engine.window_transcript import WindowTranscript

log = logging.getLogger(__name__)

M = TypeVar("M", bound=Model)


class Stages(Generic[M]):
    """What both loops have around decoding. encode_batch: windows to encode at once, fewer after memory ran out."""

    def __init__(self, models: Models, queue: RequestQueue, encode_batch: int) -> None:
        self._models = models
        self._queue = queue
        self._encode_batch = encode_batch

    def _opened(self, requests: Sequence[Request]) -> M | None:
        """Returns the model of some requests, each a user of it; None if it can't be opened, after failing them.

        Tells the callers of suspects before that these are decoded alone.
        """
        for suspect in (request for request in requests if request.suspect):
            suspect.announce()
        try:
            return cast("M", self._models.acquire(requests[0].work.options.model, users=len(requests)))
        except ServerAway as error:
            self._queue.wait(requests, error)
        except EngineError as error:
            for request in requests:
                self._queue.fail(request, error)
        return None

    def _attempt(
        self, requests: Sequence[Request], call: Callable[[Sequence[Request]], None], shortage: Callable[[int], None]
    ) -> list[Request]:
        """Calls a model with the windows of some requests and returns those that succeeded.

        If the call fails, tries the requests again in halves where memory ran out, else one by one, and fails each that
        fails alone. Where a server is away they all wait. shortage: called with how many windows there was no memory
        for. Raises DeviceLost.
        """
        if not requests:
            return []
        try:
            with self._queue.timed(len(requests)):
                call(requests)
            return list(requests)
        except DeviceLost:
            raise
        except ServerAway as error:
            self._queue.wait(requests, error)
            return []
        except Exception as error:
            if isinstance(error, OutOfDeviceMemory):
                shortage(len(requests))
            if len(requests) == 1:
                self._queue.fail(requests[0], error)
                return []
            count = len(requests)
            log.warning("%s: %d windows failed together (%s); trying fewer", request_ids(requests), count, error)
            step = max(1, count // 2) if isinstance(error, OutOfDeviceMemory) else 1
        parts = [requests[at : at + step] for at in range(0, len(requests), step)]
        return [request for part in parts for request in self._attempt(part, call, shortage)]

    def _prepared(self, model: M, requests: Sequence[Request]) -> list[Request]:
        """Encodes windows of one model, each a user of it, and detects their languages.

        Returns the requests that can be decoded. The others are no users any longer.
        """
        decodable = [request for request in requests if self._is_decodable(model, request)]
        encoded = self._attempt(
            decodable, lambda some: model.encode([request.work for request in some]), self._shrink_encoding
        )
        unknown = [request for request in encoded if request.work.language is None]
        self._attempt(unknown, partial(self._detect, model), self._shrink_encoding)
        self._queue.release([request for request in decodable if request.stream.detecting])
        ready = [request for request in encoded if request.work.language is not None]
        self._models.release(requests[0].work.options.model, users=len(requests) - len(ready))
        return ready

    def _detect(self, model: M, requests: Sequence[Request]) -> None:
        works = [_for_detection(request) for request in requests]
        model.encode(works)
        for request, found in zip(requests, model.detect(works), strict=True):
            self._set_language(model, request, among(found, request.work.options.languages))
            if request.work.window.is_short and not is_measured(request.work.options.model, request.work.language):
                request.work.hear_in_full()
        model.encode([request.work for request in requests])

    def _set_language(self, model: M, request: Request, found: Language) -> None:
        """Records a detected language. A prompt in another language is dropped."""
        before, work = request.stream.language, request.work
        language = followed(found, before, work) if before else found
        passage = work.window.passage
        if before and language.code != before.code and passage is not None:
            work.window = replace(work.window, passage=replace(passage, context=()))
            work.prompt = prompt_of(work, model.vocabulary)
        self._queue.set_language(request, language)

    def _is_decodable(self, model: M, request: Request) -> bool:
        """Returns whether a request can be decoded, after setting its prompt; refuses or fails it otherwise."""
        try:
            problem = _problem(model, request)
            request.work.prompt = prompt_of(request.work, model.vocabulary)
        except Exception as error:
            self._queue.fail(request, error)
            return False
        if problem:
            self._queue.refuse(request, WindowRejected(problem))
        return not problem

    def _time_words(
        self, model: M, transcripts: Mapping[Request, WindowTranscript], shortage: Callable[[int], None]
    ) -> list[Request]:
        """Adds words to transcripts for which they were asked. Returns the requests that can be answered."""
        texts = {request: transcript.text for request, transcript in transcripts.items()}

        def align(some: Sequence[Request]) -> None:
            timings = model.align([request.work for request in some], [texts[request] for request in some])
            for request, timing in zip(some, timings, strict=True):
                transcripts[request].add_words(timing)

        wordless = [request for request in transcripts if not texts[request]]
        return wordless + self._attempt([request for request in transcripts if texts[request]], align, shortage)

    def _discard(self, request: Request) -> None:
        """Drops a request that nobody waits for, and that uses its model."""
        self._queue.discard(request)
        self._models.release(request.work.options.model)

    def _shrink_encoding(self, windows: int) -> None:
        self._queue.count_shortage()
        self._encode_batch = max(1, min(self._encode_batch, windows // 2))
        log.warning("out of memory with %d windows; encoding %d at once from now on", windows, self._encode_batch)


def _for_detection(request: Request) -> Work:
    """Returns the work from whose encoding the language is detected.

    openai-whisper encodes a short recording again for that, padded with silence instead of zeros. For later windows
    the encoding that exists is used.
    """
    work, window = request.work, request.work.window
    if request.stream.language is not None or window.passage is None or window.passage.frames == WINDOW_FRAMES:
        return work
    padded = replace(window, passage=replace(window.passage, frames=WINDOW_FRAMES))
    return Work(padded, work.options, urgent=work.urgent)


def _problem(model: Model, request: Request) -> str:
    """Returns why a request cannot be decoded, or an empty string."""
    language, name, vocabulary = request.work.language, request.work.options.model, model.vocabulary
    if language is not None and language not in vocabulary.languages:
        return f"the model {name} does not know the language {language!r}"
    if any(token > vocabulary.timestamp_begin + LAST_TIMESTAMP for token in context_of(request.work, vocabulary)):
        return f"the model {name} does not know all tokens of the context"
    return ""


def set_next_try(work: Work, decoded: Decoded, vocabulary: Vocabulary) -> bool:
    """Sets a work to be decoded again: in full context, or else hotter. Returns False to keep this decoding."""
    if is_doubtful(work, decoded, vocabulary):
        work.hear_in_full()
        return True
    hotter = next_temperature(decoded, work.temperature, work.options.temperature)
    if hotter is None:
        return False
    work.temperature = hotter
    return True

"""The stages around decoding: validation, encoding, language detection, prompts and word times."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from transcription.engine.backend import (
    BatchModel,
    Decoded,
    DeviceLost,
    Language,
    Model,
    OutOfDeviceMemory,
    ServerAway,
    StepModel,
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


OnMemoryShortage = Callable[[int], None]
"""Is called after memory ran out with so many windows at once."""


def open_model(queue: RequestQueue, models: Models, requests: Sequence[Request]) -> BatchModel | StepModel | None:
    """Returns the model of some requests, each a user of it; None if it can't be opened, after failing them.

    Tells the callers of suspects before that these are decoded alone.
    """
    for suspect in (request for request in requests if request.suspect):
        suspect.announce()
    try:
        return models.acquire(requests[0].work.options.model, users=len(requests))
    except ServerAway as error:
        queue.wait(requests, error)
    except EngineError as error:
        for request in requests:
            queue.fail(request, error)
    return None


def attempt(
    queue: RequestQueue,
    requests: Sequence[Request],
    call: Callable[[Sequence[Request]], None],
    shortage: OnMemoryShortage,
) -> list[Request]:
    """Calls a model with the windows of some requests and returns those that succeeded.

    If the call fails, tries the requests again in halves where memory ran out, else one by one, and fails each that
    fails alone. Where a server is away they all wait. Raises DeviceLost.
    """
    if not requests:
        return []
    try:
        with queue.timed(len(requests)):
            call(requests)
        return list(requests)
    except DeviceLost:
        raise
    except ServerAway as error:
        queue.wait(requests, error)
        return []
    except Exception as error:
        if isinstance(error, OutOfDeviceMemory):
            shortage(len(requests))
        if len(requests) == 1:
            queue.fail(requests[0], error)
            return []
        log.warning("%s: %d windows failed together (%s); trying fewer", request_ids(requests), len(requests), error)
        step = max(1, len(requests) // 2) if isinstance(error, OutOfDeviceMemory) else 1
    parts = [requests[at : at + step] for at in range(0, len(requests), step)]
    return [request for part in parts for request in attempt(queue, part, call, shortage)]


def prepare(
    queue: RequestQueue, model: Model, requests: Sequence[Request], shortage: OnMemoryShortage
) -> list[Request]:
    """Encodes windows of one model and detects their languages. Returns the requests that can be decoded."""
    decodable = [request for request in requests if _is_decodable(queue, model, request)]
    encoded = attempt(queue, decodable, lambda some: model.encode([request.work for request in some]), shortage)
    unknown = [request for request in encoded if request.work.language is None]

    def detect(some: Sequence[Request]) -> None:
        works = [_for_detection(request) for request in some]
        model.encode(works)
        for request, found in zip(some, model.detect(works), strict=True):
            _set_language(queue, model, request, among(found, request.work.options.languages))
            if request.work.window.is_short and not is_measured(request.work.options.model, request.work.language):
                request.work.hear_in_full()
        model.encode([request.work for request in some])

    attempt(queue, unknown, detect, shortage)
    queue.release([request for request in decodable if request.stream.detecting])
    return [request for request in encoded if request.work.language is not None]


def _set_language(queue: RequestQueue, model: Model, request: Request, found: Language) -> None:
    """Records a detected language. A prompt in another language is dropped."""
    before, work = request.stream.language, request.work
    language = followed(found, before, work) if before else found
    passage = work.window.passage
    if before and language.code != before.code and passage is not None:
        work.window = replace(work.window, passage=replace(passage, context=()))
        work.prompt = prompt_of(work, model.vocabulary)
    queue.set_language(request, language)


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


def _is_decodable(queue: RequestQueue, model: Model, request: Request) -> bool:
    """Returns whether a request can be decoded, after setting its prompt; refuses or fails it otherwise."""
    try:
        problem = _problem(model, request)
        request.work.prompt = prompt_of(request.work, model.vocabulary)
    except Exception as error:
        queue.fail(request, error)
        return False
    if problem:
        queue.refuse(request, WindowRejected(problem))
    return not problem


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


def time_words(
    queue: RequestQueue, model: Model, transcripts: Mapping[Request, WindowTranscript], shortage: OnMemoryShortage
) -> list[Request]:
    """Adds words to transcripts for which they were asked. Returns the requests that can be answered."""
    texts = {request: transcript.text for request, transcript in transcripts.items()}

    def align(some: Sequence[Request]) -> None:
        timings = model.align([request.work for request in some], [texts[request] for request in some])
        for request, timing in zip(some, timings, strict=True):
            transcripts[request].add_words(timing)

    wordless = [request for request in transcripts if not texts[request]]
    return wordless + attempt(queue, [request for request in transcripts if texts[request]], align, shortage)

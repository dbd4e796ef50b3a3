"""What every window goes through around its decoding: encoded, language found, prompt written, words timed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from transcription.engine.backend import DeviceLost, Language, Model, OutOfDeviceMemory, Work
from transcription.engine.lane_queue import Request
from transcription.engine.prompts import context_of, prompt_of
from transcription.engine.request_queue import RequestQueue
from transcription.engine.spoken_language import among, followed
from transcription.engine.types import LAST_TIMESTAMP, WINDOW_FRAMES, WindowRejected
from transcription.engine.window_transcript import WindowTranscript

log = logging.getLogger(__name__)


class OnMemoryShortage(Protocol):
    def __call__(self, windows: int) -> None:
        """Memory ran out with so many windows at once."""


def announce(requests: Sequence[Request]) -> None:
    """Tell the callers of suspects, before their model is even opened, that these have the engine to themselves."""
    for suspect in (request for request in requests if request.suspect):
        suspect.announce()


def attempt(
    queue: RequestQueue,
    requests: Sequence[Request],
    call: Callable[[Sequence[Request]], None],
    shortage: OnMemoryShortage,
) -> list[Request]:
    """Call a model with some windows, and return those that it took.

    Where it fails, the one at fault is found and failed: after half of them where memory ran out,
    one by one elsewhere. Raises DeviceLost.
    """
    if not requests:
        return []
    try:
        with queue.timed(len(requests)):
            call(requests)
        return list(requests)
    except DeviceLost:
        raise
    except Exception as error:
        if isinstance(error, OutOfDeviceMemory):
            shortage(len(requests))
        if len(requests) == 1:
            queue.fail(requests[0], error)
            return []
        log.warning("%d windows failed together (%s); trying fewer", len(requests), error)
        step = max(1, len(requests) // 2) if isinstance(error, OutOfDeviceMemory) else 1
    parts = [requests[at : at + step] for at in range(0, len(requests), step)]
    return [request for part in parts for request in attempt(queue, part, call, shortage)]


def prepare(
    queue: RequestQueue, model: Model, requests: Sequence[Request], shortage: OnMemoryShortage
) -> list[Request]:
    """Encode windows of one model; returns those that are ready to be decoded."""
    welcome = [request for request in requests if _is_welcome(queue, model, request)]
    encoded = attempt(queue, welcome, lambda some: model.encode([request.work for request in some]), shortage)
    unknown = [request for request in encoded if request.work.language is None]

    def detect(some: Sequence[Request]) -> None:
        works = [_for_detection(request) for request in some]
        model.encode(works)
        for request, found in zip(some, model.detect(works), strict=True):
            _settle(queue, model, request, among(found, request.work.options.languages))

    attempt(queue, unknown, detect, shortage)
    queue.release([request for request in welcome if request.stream.detecting])
    return [request for request in encoded if request.work.language is not None]


def _settle(queue: RequestQueue, model: Model, request: Request, found: Language) -> None:
    """What was said in another language is no prompt."""
    before, work = request.stream.language, request.work
    language = followed(found, before, work) if before else found
    passage = work.window.passage
    if before and language.code != before.code and passage is not None:
        work.window = replace(work.window, passage=replace(passage, context=()))
        work.prompt = prompt_of(work, model.vocabulary)
    queue.set_language(request, language)


def _for_detection(request: Request) -> Work:
    """openai-whisper hears a short recording once more to find out its language: silence follows it then.

    Later windows are not worth another encoding.
    """
    work, window = request.work, request.work.window
    if request.stream.language is not None or window.passage is None or window.passage.frames == WINDOW_FRAMES:
        return work
    padded = replace(window, passage=replace(window.passage, frames=WINDOW_FRAMES))
    return Work(padded, work.options, urgent=work.urgent)


def _is_welcome(queue: RequestQueue, model: Model, request: Request) -> bool:
    """Whether a window can be tried; its prompt is written."""
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
    """Why a window cannot be tried; nothing where it can."""
    language, name, vocabulary = request.work.language, request.work.options.model, model.vocabulary
    if language is not None and language not in vocabulary.languages:
        return f"the model {name} does not know the language {language!r}"
    if any(token > vocabulary.timestamp_begin + LAST_TIMESTAMP for token in context_of(request.work, vocabulary)):
        return f"the model {name} does not know all tokens of the context"
    return ""


def time_words(
    queue: RequestQueue, model: Model, heard: Mapping[Request, WindowTranscript], shortage: OnMemoryShortage
) -> list[Request]:
    """Add words to what was heard, where they were asked for; returns the windows that can be answered."""
    texts = {request: transcript.text for request, transcript in heard.items()}

    def align(some: Sequence[Request]) -> None:
        timings = model.align([request.work for request in some], [texts[request] for request in some])
        for request, timing in zip(some, timings, strict=True):
            heard[request].add_words(timing)

    wordless = [request for request in heard if not texts[request]]
    return wordless + attempt(queue, [request for request in heard if texts[request]], align, shortage)

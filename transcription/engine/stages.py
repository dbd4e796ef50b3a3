"""What every window goes through around its decoding: encoded, language found, prompt written, words timed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from transcription.engine.backend import DeviceLost, Language, Model, OutOfDeviceMemory, Work
from transcription.engine.desk import Desk
from transcription.engine.hearing import Hearing
from transcription.engine.prompts import context_of, prompt_of
from transcription.engine.spoken_language import among, followed
from transcription.engine.types import LAST_TIMESTAMP, WINDOW_FRAMES, WindowRejected
from transcription.engine.waiting import Ticket

log = logging.getLogger(__name__)


class OnMemoryShortage(Protocol):
    def __call__(self, windows: int) -> None:
        """Memory ran out with so many windows at once."""


def announce(tickets: Sequence[Ticket]) -> None:
    """Tell the callers of suspects, before their model is even opened, that these have the engine to themselves."""
    for suspect in (ticket for ticket in tickets if ticket.suspect):
        suspect.announce()


def attempt(
    desk: Desk, tickets: Sequence[Ticket], call: Callable[[Sequence[Ticket]], None], shortage: OnMemoryShortage
) -> list[Ticket]:
    """Call a model with some windows, and return those that it took.

    Where it fails, the one at fault is found and failed: after half of them where memory ran out,
    one by one elsewhere. Raises DeviceLost.
    """
    if not tickets:
        return []
    try:
        with desk.timed(len(tickets)):
            call(tickets)
        return list(tickets)
    except DeviceLost:
        raise
    except Exception as error:
        if isinstance(error, OutOfDeviceMemory):
            shortage(len(tickets))
        if len(tickets) == 1:
            desk.fail(tickets[0], error)
            return []
        log.warning("%d windows failed together (%s); trying fewer", len(tickets), error)
        step = max(1, len(tickets) // 2) if isinstance(error, OutOfDeviceMemory) else 1
    parts = [tickets[at : at + step] for at in range(0, len(tickets), step)]
    return [ticket for part in parts for ticket in attempt(desk, part, call, shortage)]


def prepare(desk: Desk, model: Model, tickets: Sequence[Ticket], shortage: OnMemoryShortage) -> list[Ticket]:
    """Encode windows of one model; returns those that are ready to be decoded."""
    welcome = [ticket for ticket in tickets if _is_welcome(desk, model, ticket)]
    encoded = attempt(desk, welcome, lambda some: model.encode([ticket.work for ticket in some]), shortage)
    unknown = [ticket for ticket in encoded if ticket.work.language is None]

    def detect(some: Sequence[Ticket]) -> None:
        works = [_for_detection(ticket) for ticket in some]
        model.encode(works)
        for ticket, found in zip(some, model.detect(works), strict=True):
            _settle(desk, model, ticket, among(found, ticket.work.options.languages))

    attempt(desk, unknown, detect, shortage)
    desk.release([ticket for ticket in welcome if ticket.stream.detecting])
    return [ticket for ticket in encoded if ticket.work.language is not None]


def _settle(desk: Desk, model: Model, ticket: Ticket, found: Language) -> None:
    """What was said in another language is no prompt."""
    before, work = ticket.stream.language, ticket.work
    language = followed(found, before, work) if before else found
    passage = work.window.passage
    if before and language.code != before.code and passage is not None:
        work.window = replace(work.window, passage=replace(passage, context=()))
        work.prompt = prompt_of(work, model.vocabulary)
    desk.pin(ticket, language)


def _for_detection(ticket: Ticket) -> Work:
    """openai-whisper hears a short recording once more to find out its language: silence follows it then.

    Later windows are not worth another encoding.
    """
    work, window = ticket.work, ticket.work.window
    if ticket.stream.language is not None or window.passage is None or window.passage.frames == WINDOW_FRAMES:
        return work
    padded = replace(window, passage=replace(window.passage, frames=WINDOW_FRAMES))
    return Work(padded, work.options, urgent=work.urgent)


def _is_welcome(desk: Desk, model: Model, ticket: Ticket) -> bool:
    """Whether a window can be tried; its prompt is written."""
    try:
        problem = _problem(model, ticket)
        ticket.work.prompt = prompt_of(ticket.work, model.vocabulary)
    except Exception as error:
        desk.fail(ticket, error)
        return False
    if problem:
        desk.refuse(ticket, WindowRejected(problem))
    return not problem


def _problem(model: Model, ticket: Ticket) -> str:
    """Why a window cannot be tried; nothing where it can."""
    language, name, vocabulary = ticket.work.language, ticket.work.options.model, model.vocabulary
    if language is not None and language not in vocabulary.languages:
        return f"the model {name} does not know the language {language!r}"
    if any(token > vocabulary.timestamp_begin + LAST_TIMESTAMP for token in context_of(ticket.work, vocabulary)):
        return f"the model {name} does not know all tokens of the context"
    return ""


def time_words(desk: Desk, model: Model, heard: Mapping[Ticket, Hearing], shortage: OnMemoryShortage) -> list[Ticket]:
    """Add words to what was heard, where they were asked for; returns the windows that can be answered."""
    texts = {ticket: hearing.text for ticket, hearing in heard.items()}

    def align(some: Sequence[Ticket]) -> None:
        timings = model.align([ticket.work for ticket in some], [texts[ticket] for ticket in some])
        for ticket, timing in zip(some, timings, strict=True):
            heard[ticket].add_words(timing)

    wordless = [ticket for ticket in heard if not texts[ticket]]
    return wordless + attempt(desk, [ticket for ticket in heard if texts[ticket]], align, shortage)

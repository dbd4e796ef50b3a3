"""Decoding with models that take some windows and bring them back together."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import cast

from transcription.engine.backend import Backend, BatchModel, Decoded, DeviceLost, Work
from transcription.engine.desk import Desk
from transcription.engine.fallback import next_temperature
from transcription.engine.hearing import Hearing
from transcription.engine.models import Models
from transcription.engine.stages import attempt, prepare, time_words
from transcription.engine.types import LANES, EngineError, Lane
from transcription.engine.waiting import Ticket

log = logging.getLogger(__name__)

URGENT: tuple[Lane, ...] = LANES[:1]
ORDINARY: tuple[Lane, ...] = LANES[1:]


class BatchLoop:
    """`backend.workers` threads for all windows, and `backend.urgent_workers` for urgent ones only.

    The urgent ones see to it that a short clip need not wait until a long recording's window is
    done; when there is nothing but short clips, all threads take them.
    on_fatal: called with a reason when only a new process can go on.
    """

    def __init__(
        self, backend: Backend, models: Models, desk: Desk, batch_size: int, on_fatal: Callable[[str], None]
    ) -> None:
        self._models = models
        self._desk = desk
        self._batch_size = batch_size
        self._on_fatal = on_fatal
        self._backend = backend
        self._idle = {False: 0, True: 0}
        self._running = 0

    def threads(self) -> list[threading.Thread]:
        """Not started yet; they end when the desk stops."""
        kinds = [False] * self._backend.workers + [True] * self._backend.urgent_workers
        return [threading.Thread(target=self._work, args=(urgent,), daemon=True) for urgent in kinds]

    def _work(self, urgent: bool) -> None:
        try:
            while not self._desk.stopping:
                with self._batch(urgent) as batch:
                    if batch:
                        self._run(batch)
        except DeviceLost as error:
            self._on_fatal(f"the device is lost: {error}")
        except Exception as error:
            log.exception("the scheduler broke")
            self._on_fatal(f"the scheduler broke: {error!r}")

    @contextmanager
    def _batch(self, urgent: bool) -> Iterator[list[Ticket]]:
        """Wait for windows, and take some; none when it is time to stop."""
        desk = self._desk
        with desk.changed:
            self._idle[urgent] += 1
            desk.changed.wait_for(lambda: desk.stopping or self._may_begin(urgent))
            batch = [] if desk.stopping else self._taken(urgent)
            self._idle[urgent] -= 1
            self._running += 1
            # What this thread left may be for an ordinary one, now that no urgent one is idle.
            desk.changed.notify_all()
        for ticket in batch:
            ticket.work.urgent = urgent
        try:
            yield batch
        finally:
            with desk.changed:
                self._running -= 1
                desk.changed.notify_all()

    def _taken(self, urgent: bool) -> list[Ticket]:
        return self._desk.take(self._share(urgent), _alike, self._lanes(urgent), self._models.prefers)

    def _may_begin(self, urgent: bool) -> bool:
        """More threads than the cores are good for run only where an urgent window would wait otherwise."""
        return self._desk.ready(self._lanes(urgent)) > 0 and (urgent or self._running < self._backend.workers)

    def _lanes(self, urgent: bool) -> Sequence[Lane]:
        if urgent:
            return URGENT
        return ORDINARY if self._idle[True] else LANES

    def _share(self, urgent: bool) -> int:
        """Leave enough for the threads that have nothing to do."""
        idle = self._idle[False] + self._idle[True]
        return max(1, min(self._batch_size, -(-self._desk.ready(self._lanes(urgent)) // idle)))

    def _run(self, batch: Sequence[Ticket]) -> None:
        try:
            with self._models.using(batch[0].work.options.model) as model:
                self._decode(cast("BatchModel", model), batch)
        except EngineError as error:
            for ticket in batch:
                self._desk.fail(ticket, error)

    def _decode(self, model: BatchModel, batch: Sequence[Ticket]) -> None:
        ready = prepare(self._desk, model, batch, self._shrink)
        key: Callable[[Ticket], str] = lambda ticket: repr(model.batch_key(ticket.work))  # noqa: E731
        for _, group in groupby(sorted(ready, key=key), key):
            outcomes: dict[Ticket, Decoded] = {}

            def decode(some: Sequence[Ticket], outcomes: dict[Ticket, Decoded] = outcomes) -> None:
                outcomes.update(zip(some, model.decode([ticket.work for ticket in some]), strict=True))

            decoded = attempt(self._desk, list(group), decode, self._shrink)
            self._conclude(model, [(ticket, outcomes[ticket]) for ticket in decoded])

    def _conclude(self, model: BatchModel, decoded: Sequence[tuple[Ticket, Decoded]]) -> None:
        """Answer windows, time their words before where that was asked for, or let them try again hotter."""
        heard: dict[Ticket, Hearing] = {}
        for ticket, outcome in decoded:
            hotter = next_temperature(outcome, ticket.work.temperature, ticket.work.options.temperature)
            if hotter is not None:
                ticket.work.temperature = hotter
                self._desk.again(ticket)
                continue
            try:
                heard[ticket] = Hearing(ticket.work, outcome, model.vocabulary)
            except Exception as error:
                self._desk.fail(ticket, error)
        timed = time_words(self._desk, model, heard, self._shrink)
        for ticket in timed:
            self._desk.answer(ticket, heard[ticket])

    def _shrink(self, windows: int) -> None:
        self._batch_size = max(1, min(self._batch_size, windows // 2))
        log.warning("out of memory with %d windows; batches of %d from now on", windows, self._batch_size)


def _alike(work: Work) -> Hashable:
    """Windows with equal keys may share a batch, as far as can be told before their prompt is known."""
    passage, options = work.window.passage, work.options
    context = None if passage is None or passage.context is None else len(passage.context)
    return options.model, work.temperature, work.beams, options.prompt, options.hotwords, context

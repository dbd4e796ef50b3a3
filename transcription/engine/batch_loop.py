"""Decoding with models that take some windows and bring them back together.

Some threads encode, a window each, ahead of those that decode: decoding pays for each call, so that windows should
come to it in company.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import cast

from transcription.engine.backend import Backend, BatchModel, Decoded, DeviceLost, Work
from transcription.engine.desk import Desk
from transcription.engine.fallback import next_temperature
from transcription.engine.hearing import Hearing
from transcription.engine.models import Models
from transcription.engine.shelf import Encoded, Shelf
from transcription.engine.stages import announce, attempt, prepare, time_words
from transcription.engine.types import LANES, EngineError, Lane
from transcription.engine.waiting import Ticket

log = logging.getLogger(__name__)

URGENT: tuple[Lane, ...] = LANES[:1]
ORDINARY: tuple[Lane, ...] = LANES[1:]

COMPANY = 4
"""Windows that are worth a call while more are being encoded: with base on two cores a call of one
takes 0.8 s, of four 1.8 s."""

QUICK_SECONDS = 2.0
"""Within so long the slowest model that is open hears a second of noise."""

LOOK_AGAIN_SECONDS = 0.25
"""After so long a thread that waits for company looks whether the one that encodes is still at it, or opens a model."""


class BatchLoop:
    """`backend.encoders` threads that encode, `backend.workers` that decode, `backend.urgent_workers` for the urgent.

    The urgent ones see to it that a short clip need not wait until a long recording's window is
    done: they both encode and decode. When there is nothing but short clips, all threads take them.
    encode_batch: windows to encode at once. on_fatal: called with a reason when only a new process can go on.
    """

    def __init__(
        self,
        backend: Backend,
        models: Models,
        desk: Desk,
        encode_batch: int,
        batch_size: int,
        on_fatal: Callable[[str], None],
    ) -> None:
        self._models = models
        self._desk = desk
        self._encode_batch = encode_batch
        self._batch_size = batch_size
        self._on_fatal = on_fatal
        self._backend = backend
        self._shelf = Shelf()
        self._encoding = 0
        self._opening = False
        self._urgent_idle = 0
        self._running = 0

    def threads(self) -> list[threading.Thread]:
        """Not started yet; they end when the desk stops."""
        backend = self._backend
        rounds = {self._encode: backend.encoders, self._decode: backend.workers, self._hurry: backend.urgent_workers}
        every = [round_ for round_, count in rounds.items() for _ in range(count)]
        return [threading.Thread(target=self._repeat, args=(round_,), daemon=True) for round_ in every]

    def _repeat(self, round_: Callable[[], None]) -> None:
        try:
            while not self._desk.stopping:
                round_()
        except DeviceLost as error:
            self._on_fatal(f"the device is lost: {error}")
        except Exception as error:
            log.exception("the scheduler broke")
            self._on_fatal(f"the scheduler broke: {error!r}")

    # The threads that encode

    def _encode(self) -> None:
        desk = self._desk
        with desk.changed:
            desk.changed.wait_for(lambda: desk.stopping or self._may_encode())
            tickets = desk.take(
                0 if desk.stopping else self._encode_batch, _model_name, self._lanes(), self._models.prefers
            )
            self._opening = bool(tickets)
            is_alone = self._is_alone()
        for ticket in tickets:
            ticket.work.urgent = is_alone
        if tickets:
            self._put_on_shelf(tickets)

    def _is_alone(self) -> bool:
        """Whether a window may be encoded where urgent ones are, with all cores: there is no other. Hold `changed`.

        An urgent one that comes meanwhile waits for that, which is why only quick models may.
        """
        quick = bool(self._backend.urgent_workers) and self._desk.canary_seconds < QUICK_SECONDS
        return quick and self._desk.under_way == 1 and not self._desk.ready(LANES)

    def _may_encode(self) -> bool:
        if self._opening:
            return False
        held = len(self._shelf) + self._encoding
        return held < max(self._batch_size, COMPANY) and self._desk.ready(self._lanes()) > 0

    def _lanes(self) -> Sequence[Lane]:
        return ORDINARY if self._urgent_idle else LANES

    def _put_on_shelf(self, tickets: Sequence[Ticket]) -> None:
        model = self._opened(tickets)
        with self._desk.changed:
            self._opening = False
            self._encoding += 1
            self._desk.changed.notify_all()
        encoded = self._encoded(model, tickets) if model else []
        with self._desk.changed:
            self._encoding -= 1
            self._shelf.add(encoded)
            self._desk.changed.notify_all()

    def _encoded(self, model: BatchModel, tickets: Sequence[Ticket]) -> list[Encoded]:
        ready = prepare(self._desk, model, tickets, self._shrink_encoding)
        self._models.release(tickets[0].work.options.model, users=len(tickets) - len(ready))
        for ticket in ready:
            ticket.work.urgent = False
        return [Encoded(model, ticket) for ticket in ready]

    # The threads that decode

    def _decode(self) -> None:
        desk = self._desk
        with desk.changed:
            desk.changed.wait_for(lambda: desk.stopping or self._shelf)
            if not desk.changed.wait_for(lambda: desk.stopping or self._may_decode(), LOOK_AGAIN_SECONDS):
                return
            self._drop_the_gone()
            batch = [] if desk.stopping else self._shelf.take(self._share())
            self._running += 1
        with self._counted_out():
            if batch:
                self._run(batch[0].model, [encoded.ticket for encoded in batch])

    def _may_decode(self) -> bool:
        """More threads than the cores are good for run only where an urgent window would wait otherwise."""
        if not self._shelf or self._running >= self._backend.workers:
            return False
        return len(self._shelf) >= COMPANY or self._shelf.holds(URGENT) or not self._more_to_come()

    def _more_to_come(self) -> bool:
        """Whether windows are going to be encoded soon. None are while a model opens, perhaps in another's place."""
        return self._encoding > 0 or self._may_encode()

    def _share(self) -> int:
        """Leave enough for the threads that have nothing to do, unless more is to come."""
        if self._more_to_come():
            return self._batch_size
        idle = max(1, self._backend.workers - self._running)
        return max(1, min(self._batch_size, -(-len(self._shelf) // idle)))

    def _drop_the_gone(self) -> None:
        for encoded in self._shelf.drop_the_gone():
            self._desk.forget(encoded.ticket)
            self._models.release(encoded.ticket.work.options.model)

    # The threads for urgent windows

    def _hurry(self) -> None:
        desk = self._desk
        with desk.changed:
            self._urgent_idle += 1
            desk.changed.wait_for(lambda: desk.stopping or desk.ready(URGENT) > 0)
            idle, self._urgent_idle = self._urgent_idle, self._urgent_idle - 1
            share = max(1, min(self._batch_size, -(-desk.ready(URGENT) // idle)))
            tickets = desk.take(0 if desk.stopping else share, _alike, URGENT, self._models.prefers)
            # What this thread left may be for an ordinary one, now that no urgent one is idle.
            desk.changed.notify_all()
        # A model may open in the place of another one, whose windows have to be decoded meanwhile.
        model = self._opened(tickets) if tickets else None
        if model is None:
            return
        with desk.changed:
            self._running += 1
        with self._counted_out():
            self._hurry_through(model, tickets)

    @contextmanager
    def _counted_out(self) -> Iterator[None]:
        """At its end one thread less is running."""
        try:
            yield
        finally:
            with self._desk.changed:
                self._running -= 1
                self._desk.changed.notify_all()

    def _hurry_through(self, model: BatchModel, tickets: Sequence[Ticket]) -> None:
        for ticket in tickets:
            ticket.work.urgent = True
        ready = prepare(self._desk, model, tickets, self._shrink_encoding)
        name = tickets[0].work.options.model
        self._models.release(name, users=len(tickets) - len(ready))
        for group in _by_key(model, ready):
            self._run(model, group)

    # What they share

    def _opened(self, tickets: Sequence[Ticket]) -> BatchModel | None:
        """The model of some windows, which are failed where it cannot be opened; each counts as a user of it."""
        announce(tickets)
        try:
            return cast("BatchModel", self._models.acquire(tickets[0].work.options.model, users=len(tickets)))
        except EngineError as error:
            for ticket in tickets:
                self._desk.fail(ticket, error)
            return None

    def _run(self, model: BatchModel, batch: Sequence[Ticket]) -> None:
        """Decode windows that share a call, and let go of their model."""
        outcomes: dict[Ticket, Decoded] = {}

        def decode(some: Sequence[Ticket]) -> None:
            outcomes.update(zip(some, model.decode([ticket.work for ticket in some]), strict=True))

        decoded = attempt(self._desk, batch, decode, self._shrink)
        kept = self._conclude(model, [(ticket, outcomes[ticket]) for ticket in decoded])
        self._models.release(batch[0].work.options.model, users=len(batch) - len(kept))
        if kept:
            with self._desk.changed:
                self._shelf.add(kept)
                self._desk.changed.notify_all()

    def _conclude(self, model: BatchModel, decoded: Sequence[tuple[Ticket, Decoded]]) -> list[Encoded]:
        """Answer windows, time their words before where that was asked for, or let them try again hotter.

        Returns suspects that try again: they stay under way, since nobody else may come between.
        """
        heard: dict[Ticket, Hearing] = {}
        kept: list[Encoded] = []
        for ticket, outcome in decoded:
            hotter = next_temperature(outcome, ticket.work.temperature, ticket.work.options.temperature)
            if hotter is not None:
                ticket.work.temperature = hotter
                if ticket.suspect:
                    kept.append(Encoded(model, ticket))
                else:
                    self._desk.again(ticket)
                continue
            try:
                heard[ticket] = Hearing(ticket.work, outcome, model.vocabulary)
            except Exception as error:
                self._desk.fail(ticket, error)
        timed = time_words(self._desk, model, heard, self._shrink)
        for ticket in timed:
            self._desk.answer(ticket, heard[ticket])
        return kept

    def _shrink(self, windows: int) -> None:
        self._batch_size = max(1, min(self._batch_size, windows // 2))
        log.warning("out of memory with %d windows; batches of %d from now on", windows, self._batch_size)

    def _shrink_encoding(self, windows: int) -> None:
        self._encode_batch = max(1, min(self._encode_batch, windows // 2))
        log.warning("out of memory with %d windows; encoding %d at once from now on", windows, self._encode_batch)


def _by_key(model: BatchModel, tickets: Sequence[Ticket]) -> list[list[Ticket]]:
    groups: dict[Hashable, list[Ticket]] = {}
    for ticket in tickets:
        groups.setdefault(model.batch_key(ticket.work), []).append(ticket)
    return list(groups.values())


def _model_name(work: Work) -> str:
    return work.options.model


def _alike(work: Work) -> Hashable:
    """Windows with equal keys may share a batch, as far as can be told before their prompt is known."""
    options, before = work.options, work.window.rest or work.window.passage
    context = None if before is None or before.context is None else len(before.context)
    return options.model, work.temperature, work.beams, options.prompt, options.hotwords, context

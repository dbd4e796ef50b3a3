"""Continuous batching: windows enter and leave a running decoder while others are under way.

Three threads. One prepares: it opens models and encodes windows ahead of their turn. One steps: at
every boundary it lets encoded windows into free slots, the most urgent first, and takes out those
that are done. One times words afterwards. On a GPU the first and the second keep its arithmetic and
its memory busy at once.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import cast

from transcription.engine.backend import Decoded, DeviceLost, OutOfDeviceMemory, StepModel, Work
from transcription.engine.desk import Desk
from transcription.engine.fallback import next_temperature
from transcription.engine.hearing import Hearing
from transcription.engine.models import Models
from transcription.engine.stages import announce, prepare, time_words
from transcription.engine.types import LANES, EngineError, Lane
from transcription.engine.waiting import Ticket

log = logging.getLogger(__name__)

URGENT = LANES[:1]

Seats = tuple[StepModel, Ticket]


@dataclass(slots=True, eq=False)
class _Seated:
    """Windows of one model that are under way."""

    model: StepModel
    tickets: dict[Work, Ticket] = field(default_factory=dict)


class StepLoop:
    """Drives StepModels.

    encode_batch: windows to encode at once. ahead: windows that may be encoded and wait for a slot;
    urgent ones are encoded however many wait. on_fatal: called with a reason when only a new process
    can go on.
    """

    def __init__(
        self, models: Models, desk: Desk, encode_batch: int, ahead: int, on_fatal: Callable[[str], None]
    ) -> None:
        self._models = models
        self._desk = desk
        self._encode_batch = encode_batch
        self._ahead = ahead
        self._on_fatal = on_fatal
        self._encoded: deque[Seats] = deque()
        self._halves: deque[list[Seats]] = deque()
        self._heard: deque[tuple[StepModel, Ticket, Hearing]] = deque()
        self._seated: dict[StepModel, _Seated] = {}

    def threads(self) -> list[threading.Thread]:
        """Not started yet; they end when the desk stops."""
        rounds = (self._prepare, self._step, self._time)
        return [threading.Thread(target=self._repeat, args=(round_,), daemon=True) for round_ in rounds]

    def _repeat(self, round_: Callable[[], None]) -> None:
        try:
            while not self._desk.stopping:
                round_()
        except DeviceLost as error:
            self._on_fatal(f"the device is lost: {error}")
        except Exception as error:
            log.exception("the scheduler broke")
            self._on_fatal(f"the scheduler broke: {error!r}")

    # The thread that prepares

    def _prepare(self) -> None:
        """Encode what comes next."""
        desk = self._desk
        with desk.changed:
            desk.changed.wait_for(lambda: desk.stopping or desk.ready(self._wanted_lanes()) > 0)
            tickets = desk.take(
                0 if desk.stopping else self._encode_batch, _model_name, self._wanted_lanes(), self._models.prefers
            )
        if tickets:
            self._encode(tickets)

    def _wanted_lanes(self) -> Sequence[Lane]:
        return LANES if len(self._encoded) < self._ahead else URGENT

    def _encode(self, tickets: Sequence[Ticket]) -> None:
        name = tickets[0].work.options.model
        announce(tickets)
        try:
            model = cast("StepModel", self._models.acquire(name, users=len(tickets)))
        except EngineError as error:
            for ticket in tickets:
                self._desk.fail(ticket, error)
            return
        ready = prepare(self._desk, model, tickets, self._shrink)
        self._models.release(name, users=len(tickets) - len(ready))
        with self._desk.changed:
            self._encoded.extend((model, ticket) for ticket in ready)
            self._desk.changed.notify_all()

    def _shrink(self, windows: int) -> None:
        self._encode_batch = max(1, min(self._encode_batch, windows // 2))
        log.warning("out of memory with %d windows; encoding %d at once from now on", windows, self._encode_batch)

    # The thread that times words

    def _time(self) -> None:
        """Time the words of what was heard, as many windows at once as are encoded at once."""
        desk = self._desk
        with desk.changed:
            desk.changed.wait_for(lambda: desk.stopping or self._heard)
            if desk.stopping:
                return
            first = self._heard[0][0]
            batch = [entry for entry in self._heard if entry[0] is first][: self._encode_batch]
            self._heard = deque(entry for entry in self._heard if entry not in batch)
        hearings = {ticket: hearing for _, ticket, hearing in batch}
        for ticket in time_words(desk, first, hearings, self._shrink):
            desk.answer(ticket, hearings[ticket])
        self._release(hearings)

    def _release(self, tickets: Iterable[Ticket]) -> None:
        for ticket in tickets:
            self._models.release(ticket.work.options.model)

    # The thread that steps

    def _step(self) -> None:
        """One step of every model that has windows under way."""
        desk = self._desk
        with desk.changed:
            desk.changed.wait_for(lambda: desk.stopping or self._encoded or self._halves or self._seated)
            self._drop_the_gone()
            entering = self._entering()
        for model, tickets in entering.items():
            self._admit(model, tickets)
        # A model without windows is not kept from being closed, and is by now where their callers left.
        for seated in [seated for seated in self._seated.values() if seated.tickets]:
            self._advance(seated)
        self._seated = {model: seated for model, seated in self._seated.items() if seated.tickets}

    def _entering(self) -> dict[StepModel, list[Ticket]]:
        """For the free slots, the most urgent first. What failed together enters in halves, after what is urgent."""
        order = sorted(self._encoded, key=lambda seats: LANES.index(seats[1].stream.lane))
        if self._halves:
            order = [seats for seats in order if seats[1].stream.lane in URGENT]
            if not order and not self._seated:
                return _by_model(self._halves.popleft())
        entering: dict[StepModel, list[Ticket]] = {}
        for model, ticket in order:
            places = entering.setdefault(model, [])
            if model.room([*(other.work for other in places), ticket.work]):
                places.append(ticket)
        taken = {ticket for tickets in entering.values() for ticket in tickets}
        if taken:
            self._encoded = deque(seats for seats in self._encoded if seats[1] not in taken)
            self._desk.changed.notify_all()
        return entering

    def _drop_the_gone(self) -> None:
        """Forget windows that nobody waits for any more, wherever they are."""
        for waiting in (self._encoded, *self._halves):
            for seats in [seats for seats in waiting if seats[1].stream.gone]:
                waiting.remove(seats)
                self._leave(seats[1])
        self._halves = deque(group for group in self._halves if group)
        for seated in self._seated.values():
            for work in [work for work, ticket in seated.tickets.items() if ticket.stream.gone]:
                seated.model.evict(work)
                self._leave(seated.tickets.pop(work))

    def _leave(self, ticket: Ticket) -> None:
        self._desk.forget(ticket)
        self._models.release(ticket.work.options.model)

    def _admit(self, model: StepModel, tickets: Sequence[Ticket]) -> None:
        """Where a model cannot take windows, what is under way already goes on."""
        if not tickets:
            return
        under_way = self._seated.get(model)
        try:
            with self._desk.timed(len(tickets)):
                model.admit([ticket.work for ticket in tickets])
        except DeviceLost:
            raise
        except Exception as error:
            short = isinstance(error, OutOfDeviceMemory)
            if short:
                model.halve()
            if short and under_way is not None and under_way.tickets:
                self._put_back([(model, ticket) for ticket in tickets])
            elif len(tickets) == 1:
                self._give_up(tickets[0], error)
            else:
                for ticket in tickets:
                    self._admit(model, [ticket])
            return
        seated = self._seated.setdefault(model, _Seated(model))
        seated.tickets |= {ticket.work: ticket for ticket in tickets}

    def _advance(self, seated: _Seated) -> None:
        try:
            with self._desk.timed():
                seated.model.step()
                done = seated.model.finished()
        except DeviceLost:
            raise
        except Exception as error:
            self._recover(seated, error)
            return
        for work, decoded in done:
            self._conclude(seated.model, seated.tickets.pop(work), decoded)

    def _recover(self, seated: _Seated, error: Exception) -> None:
        """What was under way goes back, and enters again in smaller company until the one at fault is alone."""
        tickets = list(seated.tickets.values())
        for ticket in tickets:
            seated.model.evict(ticket.work)
        seated.tickets.clear()
        if len(tickets) == 1:
            self._give_up(tickets[0], error)
            return
        log.warning("%d windows under way failed together: %s", len(tickets), error)
        again = [(seated.model, ticket) for ticket in tickets]
        if isinstance(error, OutOfDeviceMemory):
            seated.model.halve()
            self._put_back(again)
        else:
            half = len(again) // 2
            self._halves.extendleft((again[half:], again[:half]))

    def _put_back(self, seats: Sequence[Seats]) -> None:
        with self._desk.changed:
            self._encoded.extendleft(reversed(seats))

    def _give_up(self, ticket: Ticket, error: Exception) -> None:
        self._desk.fail(ticket, error)
        self._models.release(ticket.work.options.model)

    def _conclude(self, model: StepModel, ticket: Ticket, decoded: Decoded) -> None:
        hotter = next_temperature(decoded, ticket.work.temperature, ticket.work.options.temperature)
        if hotter is not None:
            ticket.work.temperature = hotter
            self._put_back([(model, ticket)])
            return
        try:
            hearing = Hearing(ticket.work, decoded, model.vocabulary)
        except Exception as error:
            self._give_up(ticket, error)
            return
        if hearing.text:
            with self._desk.changed:
                self._heard.append((model, ticket, hearing))
                self._desk.changed.notify_all()
            return
        self._desk.answer(ticket, hearing)
        self._models.release(ticket.work.options.model)


def _by_model(group: Sequence[Seats]) -> dict[StepModel, list[Ticket]]:
    models = dict.fromkeys(model for model, _ in group)
    return {model: [ticket for own, ticket in group if own is model] for model in models}


def _model_name(work: Work) -> str:
    return work.options.model

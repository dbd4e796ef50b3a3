"""One model, many recordings: batches of whatever waits, and an answer for every window."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import TypeVar

from transcription.engine.backend import (
    Backend,
    Decoded,
    DeviceLost,
    Language,
    OutOfDeviceMemory,
    Work,
)
from transcription.engine.fallback import next_temperature
from transcription.engine.segments import segments_of
from transcription.engine.types import (
    Lane,
    WindowFailed,
    WindowRejected,
    WindowResult,
)
from transcription.engine.waiting import Stream, Ticket, WaitingRoom

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(slots=True)
class Tally:
    """What has been done since the start; seconds of audio, and seconds of work."""

    windows: int = 0
    audio_seconds: float = 0.0
    busy_seconds: float = 0.0


class Scheduler:
    """Feeds the backend from the waiting room, from `backend.workers` threads.

    `on_fatal` is called with a reason when only a new process can go on.
    """

    def __init__(self, backend: Backend, batch_size: int, on_fatal: Callable[[str], None]) -> None:
        self.tally = Tally()
        self.versions: dict[str, str] = {}
        self._backend = backend
        self._batch_size = batch_size
        self._on_fatal = on_fatal
        self._room = WaitingRoom()
        self._changed = threading.Condition()
        self._stopping = False
        self._idle = 0
        self._threads: list[threading.Thread] = []
        self._calls: dict[int, float] = {}

    def start(self, versions: dict[str, str]) -> None:
        """Begin to work; the backend must be loaded. `versions`, by model, go into the results."""
        self.versions = versions
        self._threads = [
            threading.Thread(target=self._work, name=f"decode-{number}", daemon=True)
            for number in range(self._backend.workers)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self, seconds: float) -> None:
        """Finish the batches in hand and take no more; wait for that so many seconds at most."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def submit(self, ticket: Ticket) -> None:
        """Let a window wait for its turn; its answer comes from another thread."""
        with self._changed:
            self._room.add(ticket)
            self._changed.notify()

    def drop(self, streams: Iterable[Stream]) -> None:
        """Forget the waiting windows of streams that nobody listens to any more."""
        with self._changed:
            for stream in streams:
                self._room.drop(stream)

    def queued(self) -> dict[Lane, int]:
        """Windows waiting in each lane."""
        with self._changed:
            return self._room.lengths()

    def oldest_call(self) -> float:
        """For how many seconds the backend has been at the oldest batch in hand; 0 while it rests."""
        return max((time.monotonic() - began for began in list(self._calls.values())), default=0.0)

    def _work(self) -> None:
        try:
            while not self._stopping:
                batch = self._next_batch()
                began = time.monotonic()
                self._run(batch)
                with self._changed:
                    self.tally.busy_seconds += time.monotonic() - began
        except DeviceLost as error:
            self._on_fatal(f"the device is lost: {error}")
        except Exception as error:
            log.exception("the scheduler broke")
            self._on_fatal(f"the scheduler broke: {error!r}")

    def _next_batch(self) -> list[Ticket]:
        """Wait for windows, and take some; none when it is time to stop."""
        with self._changed:
            self._idle += 1
            while not (self._stopping or self._room.ready()):
                self._changed.wait()
            if not self._stopping and self._room.ready() < self._batch_size:
                self._gather()
            # Another worker may have taken everything while this one gathered.
            batch = self._room.take(self._share(), self._backend.batch_key)
            self._idle -= 1
            return [] if self._stopping else batch

    def _gather(self) -> None:
        """Give windows on their way a moment to join, where somebody else is at work too."""
        if self._backend.gather_seconds > 0 and self._room.streams() > 1:
            self._changed.wait(self._backend.gather_seconds)

    def _share(self) -> int:
        """Leave enough for the workers that have nothing to do."""
        return max(1, min(self._batch_size, -(-self._room.ready() // self._idle)))

    def _run(self, batch: Sequence[Ticket]) -> None:
        welcome = [ticket for ticket in batch if self._admit(ticket)]
        unknown = [ticket for ticket in welcome if ticket.work.language is None]
        if unknown:
            for ticket, language in self._attempt(unknown, self._backend.detect):
                self._pin(ticket, language)
            self._release(unknown)
        known = [ticket for ticket in welcome if ticket.work.language is not None]
        for group in self._groups(known):
            for ticket, decoded in self._attempt(group, self._backend.decode):
                self._conclude(ticket, decoded)

    def _admit(self, ticket: Ticket) -> bool:
        language, model = ticket.work.language, ticket.work.options.model
        if language is None or self._backend.knows(model, language):
            return True
        ticket.answer(WindowRejected(f"the model {model} does not know the language {language!r}"))
        return False

    def _groups(self, tickets: Sequence[Ticket]) -> list[list[Ticket]]:
        """Tickets by batch key: detecting a language may have parted them."""
        key = lambda ticket: str(self._backend.batch_key(ticket.work))  # noqa: E731
        return [list(group) for _, group in groupby(sorted(tickets, key=key), key)]

    def _attempt(self, tickets: Sequence[Ticket], call: Callable[[list[Work]], list[T]]) -> list[tuple[Ticket, T]]:
        """Call the backend; where it fails, find the window at fault and fail only that one."""
        try:
            with self._timed():
                outcomes = call([ticket.work for ticket in tickets])
            return list(zip(tickets, outcomes, strict=True))
        except DeviceLost:
            raise
        except Exception as error:
            if len(tickets) == 1:
                self._fail(tickets[0], error)
                return []
            step = self._smaller(len(tickets), error)
        parts = [tickets[at : at + step] for at in range(0, len(tickets), step)]
        return [pair for part in parts for pair in self._attempt(part, call)]

    @contextmanager
    def _timed(self) -> Iterator[None]:
        thread = threading.get_ident()
        self._calls[thread] = time.monotonic()
        try:
            yield
        finally:
            del self._calls[thread]

    def _smaller(self, size: int, error: Exception) -> int:
        """The size to try a failed batch with: half if memory ran out, else one by one."""
        if not isinstance(error, OutOfDeviceMemory):
            log.warning("a batch of %d failed (%s); trying its windows one by one", size, error)
            return 1
        self._batch_size = max(1, size // 2)
        log.warning("out of memory with %d windows; batches of %d from now on", size, size // 2)
        return self._batch_size

    def _fail(self, ticket: Ticket, error: Exception) -> None:
        window = ticket.work.window
        log.error("window %d (%.1f s) failed: %s", window.index, window.start, error)
        ticket.answer(WindowFailed(f"{type(error).__name__}: {error}"))

    def _pin(self, ticket: Ticket, language: Language) -> None:
        with self._changed:
            ticket.stream.language = ticket.stream.language or language
            ticket.work.language = ticket.stream.language.code

    def _release(self, tickets: Sequence[Ticket]) -> None:
        """Let the streams whose first windows were looked at go on."""
        with self._changed:
            for ticket in tickets:
                ticket.stream.detecting = False
            self._changed.notify_all()

    def _conclude(self, ticket: Ticket, decoded: Decoded) -> None:
        work = ticket.work
        hotter = next_temperature(decoded, work.temperature, work.options.temperature)
        if hotter is None:
            self._answer(ticket, decoded)
            return
        work.temperature = hotter
        with self._changed:
            if not ticket.stream.gone:
                self._room.return_to_front(ticket)
                self._changed.notify()

    def _answer(self, ticket: Ticket, decoded: Decoded) -> None:
        window, pinned = ticket.work.window, ticket.stream.language
        code = ticket.work.language or ""
        with self._changed:
            self.tally.windows += 1
            self.tally.audio_seconds += window.end - window.start
        ticket.answer(
            WindowResult(
                index=window.index,
                start=window.start,
                end=window.end,
                language=code,
                language_probability=pinned.probability if pinned else 1.0,
                segments=segments_of(ticket.work, decoded),
                model_version=self.versions.get(ticket.work.options.model, ""),
            )
        )

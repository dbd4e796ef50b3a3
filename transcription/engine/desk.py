"""Where windows are handed in, handed to whoever decodes, and answered."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from transcription.engine.backend import Language, Work
from transcription.engine.hearing import Hearing
from transcription.engine.types import LANES, EngineError, Lane, WindowFailed
from transcription.engine.waiting import Stream, Ticket, WaitingRoom
from transcription.engine.watchdog import patience_for

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Tally:
    """What has been done since the start; seconds of audio, and seconds of work."""

    windows: int = 0
    audio_seconds: float = 0.0
    busy_seconds: float = 0.0


class Desk:
    """Thread-safe. `changed` is notified when there may be something new to do.

    While suspects wait nothing joins what is under way; when that is done, they are handed out one
    by one, so that each has the engine to itself.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.stopping = False
        self.tally = Tally()
        self.versions: dict[str, str] = {}
        self.under_way = 0
        self.calls_done = 0
        self.canary_seconds = 0.0
        self._room = WaitingRoom()
        self._quarantined = False
        self._due: dict[int, float] = {}

    def submit(self, ticket: Ticket) -> None:
        """Let a window wait for its turn; its answer comes from another thread."""
        with self.changed:
            self._room.add(ticket)
            self.changed.notify_all()

    def drop(self, streams: Iterable[Stream]) -> None:
        """Forget the windows of streams that nobody listens to any more."""
        with self.changed:
            for stream in streams:
                self._room.drop(stream)
            self.changed.notify_all()

    def stop(self) -> None:
        """Take no more; whoever waits for `changed` is woken."""
        with self.changed:
            self.stopping = True
            self.changed.notify_all()

    def queued(self) -> dict[Lane, int]:
        """Windows waiting in each lane."""
        with self.changed:
            return self._room.lengths()

    def ready(self, lanes: Collection[Lane] = LANES) -> int:
        """How many windows of these lanes could be taken now. Hold `changed`."""
        return self._room.ready(lanes) if self._may_take() else 0

    def take(
        self,
        limit: int,
        key: Callable[[Work], Hashable],
        lanes: Collection[Lane] = LANES,
        prefers: Callable[[Work], bool] = lambda _: True,
    ) -> list[Ticket]:
        """The next windows that may share a batch; perhaps none. Hold `changed`.

        prefers: those that the others, however urgent, wait for.
        """
        if not self._may_take():
            return []
        batch = self._room.take(limit, key, lanes, prefers) or self._room.take(limit, key, lanes)
        self.under_way += len(batch)
        self._quarantined = any(ticket.suspect for ticket in batch)
        return batch

    def again(self, ticket: Ticket) -> None:
        """Let a window that needs another try wait before the rest of its lane."""
        with self.changed:
            self._leave()
            if not ticket.stream.gone:
                self._room.return_to_front(ticket)
                self.changed.notify_all()

    def pin(self, ticket: Ticket, language: Language) -> None:
        """Note what was detected in a window. Its stream is taken to speak it, until a later window doesn't.

        Side by side all windows compare with the first: which one is encoded next is chance.
        """
        with self.changed:
            window = ticket.work.window
            if not window.is_doubted and (ticket.stream.language is None or window.passage is not None):
                ticket.stream.language = language
            ticket.work.language = language.code
            ticket.language = language

    def release(self, tickets: Sequence[Ticket]) -> None:
        """Let the streams whose first windows were looked at go on."""
        with self.changed:
            for ticket in tickets:
                ticket.stream.detecting = False
            self.changed.notify_all()

    def answer(self, ticket: Ticket, hearing: Hearing) -> None:
        """The window is done."""
        work = ticket.work
        pinned = ticket.language or ticket.stream.language
        language = pinned if pinned and pinned.code == work.language else Language(work.language or "", 1.0)
        result = hearing.result(language, self.versions.get(work.options.model, ""))
        with self.changed:
            self._leave()
            self.tally.windows += 1
            self.tally.audio_seconds += result.end - result.start
            # Handed over before anybody takes what comes next, which may end this process.
            ticket.answer(result)

    def refuse(self, ticket: Ticket, error: EngineError) -> None:
        """The window cannot be done."""
        with self.changed:
            self._leave()
            ticket.stream.detecting = False
            self.changed.notify_all()
            ticket.answer(error)

    def fail(self, ticket: Ticket, error: Exception) -> None:
        """The window was tried and broke something."""
        window = ticket.work.window
        log.error("window %d (%.1f s) failed: %s", window.index, window.start, error)
        reason = str(error) if isinstance(error, EngineError) else f"{type(error).__name__}: {error}"
        self.refuse(ticket, WindowFailed(reason))

    def forget(self, ticket: Ticket) -> None:
        """Nobody waits for this window any more."""
        with self.changed:
            self._leave()

    def overdue(self) -> float:
        """By how many seconds a call in hand exceeds its patience; 0 while all is well."""
        return max((time.monotonic() - due for due in list(self._due.values())), default=0.0)

    @property
    def calls_in_hand(self) -> int:
        return len(self._due)

    def note_canary(self, seconds: float) -> None:
        """How long a model took for a second of noise: the slowest one measures patience for all."""
        self.canary_seconds = max(self.canary_seconds, seconds)

    @contextmanager
    def timed(self, windows: int = 1, patience: float | None = None) -> Iterator[None]:
        """Around each call of a model with so many windows; patience in seconds, for other calls."""
        thread, began = threading.get_ident(), time.monotonic()
        self._due[thread] = began + (patience or patience_for(self.canary_seconds, windows))
        try:
            yield
        finally:
            del self._due[thread]
            with self.changed:
                self.calls_done += 1
                self.tally.busy_seconds += time.monotonic() - began

    def _may_take(self) -> bool:
        return not self.under_way or not (self._quarantined or self._room.holds_suspects())

    def _leave(self) -> None:
        self.under_way -= 1
        if not self.under_way:
            self.changed.notify_all()

"""The waiting room: who is next, when many recordings wait for one model."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Hashable, Iterator
from dataclasses import dataclass, field

from transcription.engine.backend import Language, Work
from transcription.engine.types import LANES, EngineError, Lane, WindowResult

Answer = Callable[["WindowResult | EngineError"], None]


@dataclass(slots=True, eq=False)
class Stream:
    """The windows of one recording over one connection; they share a language."""

    lane: Lane
    language: Language | None = None
    detecting: bool = False
    gone: bool = False
    waiting: deque[Ticket] = field(default_factory=deque)

    @property
    def is_suspect(self) -> bool:
        return bool(self.waiting) and self.waiting[0].suspect

    def may_go(self) -> bool:
        """False while the stream's first window is still finding out the language."""
        return bool(self.waiting) and (self.waiting[0].knows_language or not self.detecting)


@dataclass(slots=True, eq=False)
class Ticket:
    """A window in the waiting room, with the stream it came in and the way to answer.

    suspect: an engine ended while it had this window, which is therefore tried alone. announce: tells
    its caller, before a model sees it, that nothing else is under way. language: what was detected in it.
    """

    work: Work
    stream: Stream
    answer: Answer
    suspect: bool = False
    announce: Callable[[], None] = lambda: None
    language: Language | None = None

    @property
    def knows_language(self) -> bool:
        return self.work.language is not None or self.stream.language is not None


class WaitingRoom:
    """Lanes of streams of windows. Not thread-safe: its owner holds a lock.

    The most urgent lane goes first; within a lane streams take turns, whatever the
    number of windows that each has waiting. While suspects wait in any lane, they and
    urgent windows alternate, and all else waits: an endless stream of others can't keep
    them from being tried.
    """

    def __init__(self) -> None:
        self._lanes: dict[Lane, deque[Stream]] = {lane: deque() for lane in LANES}
        self._suspect_went_last = False

    def add(self, ticket: Ticket) -> None:
        """Let a window wait at the end of its stream."""
        ticket.stream.waiting.append(ticket)
        self._seat(ticket.stream)

    def return_to_front(self, ticket: Ticket) -> None:
        """Let a window that needs another try go before the rest of its lane."""
        stream = ticket.stream
        stream.waiting.appendleft(ticket)
        lane = self._lanes[stream.lane]
        if stream in lane:
            lane.remove(stream)
        lane.appendleft(stream)

    def drop(self, stream: Stream) -> None:
        """Forget all that a stream has waiting."""
        stream.gone = True
        stream.waiting.clear()
        if stream in self._lanes[stream.lane]:
            self._lanes[stream.lane].remove(stream)

    def take(
        self,
        limit: int,
        key: Callable[[Work], Hashable],
        lanes: Collection[Lane] = LANES,
        wanted: Callable[[Work], bool] = lambda _: True,
    ) -> list[Ticket]:
        """Take the next wanted window of some lanes and, up to `limit` in all, those that can share its batch.

        A suspect shares it with none.
        """
        batch: list[Ticket] = []
        for stream in self._turns(limit, lanes):
            work = stream.waiting[0].work
            if not wanted(work):
                continue
            if work.language is None and stream.language is not None and not work.options.follow_language:
                work.language = stream.language.code
            if batch and (stream.is_suspect or key(work) != key(batch[0].work)):
                continue
            stream.detecting = stream.detecting or not stream.waiting[0].knows_language
            batch.append(self._call(stream))
            if len(batch) == limit or batch[0].suspect:
                break
        if batch:
            self._suspect_went_last = batch[0].suspect
        return batch

    def ready(self, lanes: Collection[Lane] = LANES) -> int:
        """How many windows of these lanes could be taken now."""
        return sum(
            len(stream.waiting) if stream.waiting[0].knows_language else 1
            for name in lanes
            for stream in self._in_turn(name)
        )

    def holds_suspects(self) -> bool:
        return any(stream.is_suspect for lane in self._lanes.values() for stream in lane)

    def lengths(self) -> dict[Lane, int]:
        """Windows waiting in each lane."""
        return {name: sum(len(stream.waiting) for stream in lane) for name, lane in self._lanes.items()}

    def _seat(self, stream: Stream) -> None:
        if stream not in self._lanes[stream.lane]:
            self._lanes[stream.lane].append(stream)

    def _turns(self, limit: int, lanes: Collection[Lane]) -> Iterator[Stream]:
        """Streams that may go, the most urgent first, for at most `limit` rounds a lane."""
        for name in (lane for lane in LANES if lane in lanes):
            for _ in range(limit):
                yield from self._in_turn(name)

    def _in_turn(self, name: Lane) -> list[Stream]:
        """The streams of a lane that may go now."""
        streams = [stream for stream in self._lanes[name] if stream.may_go()]
        if not self._has(LANES, suspect=True):
            return streams
        urgent_first = self._suspect_went_last and self._has(LANES[:1], suspect=False)
        if urgent_first:
            return [stream for stream in streams if name == LANES[0] and not stream.is_suspect]
        return [stream for stream in streams if stream.is_suspect]

    def _has(self, lanes: Collection[Lane], suspect: bool) -> bool:
        waiting = (stream for name in lanes for stream in self._lanes[name] if stream.may_go())
        return any(stream.is_suspect is suspect for stream in waiting)

    def _call(self, stream: Stream) -> Ticket:
        """Take a stream's first window, and let the stream queue up again behind the others."""
        lane = self._lanes[stream.lane]
        lane.remove(stream)
        ticket = stream.waiting.popleft()
        if stream.waiting:
            lane.append(stream)
        return ticket

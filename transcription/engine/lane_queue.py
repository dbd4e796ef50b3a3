"""Windows that wait for a model, in lanes: decides which windows are decoded next."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Hashable, Iterator
from dataclasses import dataclass, field

from transcription.engine.backend import Language, Work
from transcription.engine.types import LANES, EngineError, Lane, WindowResult

Answer = Callable[["WindowResult | EngineError"], object]


@dataclass(slots=True, eq=False)
class Stream:
    """The windows of one recording that one connection sends; they share a language.

    request_id: of the HTTP request that the recording came with, for log lines. detecting: the language is being
    detected in the stream's first window. abandoned: nobody waits for its results.
    """

    lane: Lane
    request_id: str = "-"
    language: Language | None = None
    detecting: bool = False
    abandoned: bool = False
    waiting: deque[Request] = field(default_factory=deque)

    @property
    def is_suspect(self) -> bool:
        return bool(self.waiting) and self.waiting[0].suspect

    def is_eligible(self) -> bool:
        """Returns whether the next window may be taken: not while the language is being detected in the first one."""
        return bool(self.waiting) and (self.waiting[0].knows_language or not self.detecting)


@dataclass(slots=True, eq=False)
class Request:
    """A window to decode, with its stream and the callback that takes its result or its error.

    suspect: an engine process ended while it decoded this window, which is therefore decoded alone.
    announce: tells the caller, before a model gets the window, that nothing else is under way.
    language: the language that was detected in the window.
    breaks: how often a server broke off at it; answered_before: windows that were answered before the first time.
    """

    work: Work
    stream: Stream
    answer: Answer
    suspect: bool = False
    announce: Callable[[], None] = lambda: None
    language: Language | None = None
    breaks: int = 0
    answered_before: int = 0

    @property
    def knows_language(self) -> bool:
        return self.work.language is not None or self.stream.language is not None


def model_of(work: Work) -> str:
    return work.options.model


def request_ids(requests: Collection[Request]) -> str:
    """Joins the ids of the HTTP requests that windows belong to, for a log line."""
    return ", ".join(sorted({request.stream.request_id for request in requests}))


class LaneQueue:
    """Lanes of streams of windows. Not thread-safe: its owner holds a lock.

    Serves the most urgent lane first, and the streams of a lane in turn (round-robin), whatever the number of
    windows that each has waiting. While suspects wait in any lane, serves suspects and urgent windows in
    alternation and nothing else, so that a steady supply of other windows cannot delay a suspect for ever.
    """

    def __init__(self) -> None:
        self._lanes: dict[Lane, deque[Stream]] = {lane: deque() for lane in LANES}
        self._suspect_went_last = False

    def add(self, request: Request) -> None:
        """Appends a window to its stream."""
        stream = request.stream
        stream.waiting.append(request)
        if stream not in self._lanes[stream.lane]:
            self._lanes[stream.lane].append(stream)

    def return_to_front(self, request: Request) -> None:
        """Puts a window that needs another try before all others of its lane."""
        stream = request.stream
        stream.waiting.appendleft(request)
        lane = self._lanes[stream.lane]
        if stream in lane:
            lane.remove(stream)
        lane.appendleft(stream)

    def drop(self, stream: Stream) -> None:
        """Marks a stream as abandoned and removes its windows."""
        stream.abandoned = True
        stream.waiting.clear()
        if stream in self._lanes[stream.lane]:
            self._lanes[stream.lane].remove(stream)

    def take(
        self,
        limit: int,
        key: Callable[[Work], Hashable],
        lanes: Collection[Lane] = LANES,
        wanted: Callable[[Work], bool] = lambda _: True,
    ) -> list[Request]:
        """Removes and returns the next wanted window of some lanes and, up to `limit` in all, others of the same key.

        A suspect is returned alone.
        """
        batch: list[Request] = []
        for stream in self._rounds(limit, lanes):
            work = stream.waiting[0].work
            if not wanted(work):
                continue
            if work.language is None and stream.language is not None and not work.options.follow_language:
                work.language = stream.language.code
            if batch and (stream.is_suspect or key(work) != key(batch[0].work)):
                continue
            stream.detecting = stream.detecting or not stream.waiting[0].knows_language
            batch.append(self._dequeue(stream))
            if len(batch) == limit or batch[0].suspect:
                break
        if batch:
            self._suspect_went_last = batch[0].suspect
        return batch

    def ready(self, lanes: Collection[Lane] = LANES) -> int:
        """Counts the windows of these lanes that `take` could return now."""
        return sum(
            len(stream.waiting) if stream.waiting[0].knows_language else 1
            for name in lanes
            for stream in self._eligible(name)
        )

    def holds_suspects(self) -> bool:
        return any(stream.is_suspect for lane in self._lanes.values() for stream in lane)

    def lengths(self) -> dict[Lane, int]:
        """Counts the windows in each lane."""
        return {name: sum(len(stream.waiting) for stream in lane) for name, lane in self._lanes.items()}

    def _rounds(self, limit: int, lanes: Collection[Lane]) -> Iterator[Stream]:
        """Yields the eligible streams, the most urgent first, for at most `limit` rounds a lane."""
        for name in (lane for lane in LANES if lane in lanes):
            for _ in range(limit):
                yield from self._eligible(name)

    def _eligible(self, name: Lane) -> list[Stream]:
        """Returns the streams of a lane whose first window may be taken now."""
        streams = [stream for stream in self._lanes[name] if stream.is_eligible()]
        if not self._has(LANES, suspect=True):
            return streams
        urgent_first = self._suspect_went_last and self._has(LANES[:1], suspect=False)
        if urgent_first:
            return [stream for stream in streams if name == LANES[0] and not stream.is_suspect]
        return [stream for stream in streams if stream.is_suspect]

    def _has(self, lanes: Collection[Lane], suspect: bool) -> bool:
        waiting = (stream for name in lanes for stream in self._lanes[name] if stream.is_eligible())
        return any(stream.is_suspect is suspect for stream in waiting)

    def _dequeue(self, stream: Stream) -> Request:
        """Removes and returns a stream's first window, and moves the stream to the end of its lane."""
        lane = self._lanes[stream.lane]
        lane.remove(stream)
        request = stream.waiting.popleft()
        if stream.waiting:
            lane.append(stream)
        return request

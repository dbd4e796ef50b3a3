"""The queue between connections, which submit windows, and the threads that decode and answer them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from transcription.engine.backend import Language, ServerAway, Work
from transcription.engine.lane_queue import LaneQueue, Request, Stream, request_ids
from transcription.engine.types import LANES, EngineError, Lane, Tally, WindowFailed
from transcription.engine.watchdog import patience_for
from transcription.engine.window_transcript import WindowTranscript

log = logging.getLogger(__name__)

MOST_BREAKS = 4
"""How often a server may break off at a window, if it answers others."""

SHORTEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 15.0
"""Between two tries of a server that is away: shorter than what a caller takes for no progress."""


class RequestQueue:
    """Thread-safe. `changed` is notified when there may be something new to do.

    While suspects wait, `take` returns nothing until all windows under way are done, and then the suspects one by
    one, so that each is decoded alone. `problem` says why windows wait for a server, if they do.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.stopping = False
        self.tally = Tally()
        self.versions: dict[str, str] = {}
        self.under_way = 0
        self.calls_done = 0
        self.probe_seconds = 0.0
        self._waiting = LaneQueue()
        self._quarantined = False
        self._due: dict[int, float] = {}
        self.problem = ""
        self._refusals = 0
        self._paused_until = 0.0

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Holds `changed` for a block, and notifies those who wait for it."""
        with self.changed:
            yield
            self.changed.notify_all()

    def submit(self, request: Request) -> None:
        """Adds a request. Another thread calls its `answer`."""
        with self.changing():
            self._waiting.add(request)

    def drop(self, streams: Iterable[Stream]) -> None:
        """Removes the requests of streams whose callers have left."""
        with self.changing():
            for stream in streams:
                self._waiting.drop(stream)

    def stop(self) -> None:
        """Sets `stopping` and wakes all threads that wait for `changed`."""
        with self.changing():
            self.stopping = True

    def queued(self) -> dict[Lane, int]:
        """Counts the requests that wait in each lane."""
        with self.changed:
            return self._waiting.lengths()

    def ready(self, lanes: Collection[Lane] = LANES) -> int:
        """Counts the requests of these lanes that `take` could return now. The caller holds `changed`."""
        return self._waiting.ready(lanes) if self._may_take() else 0

    def take(
        self,
        limit: int,
        key: Callable[[Work], Hashable],
        lanes: Collection[Lane] = LANES,
        prefers: Callable[[Work], bool] = lambda _: True,
    ) -> list[Request]:
        """Removes and returns up to `limit` requests of equal keys, perhaps none. The caller holds `changed`.

        prefers: selects the requests that come before all others, whatever their lanes.
        """
        if not self._may_take():
            return []
        batch = self._waiting.take(limit, key, lanes, prefers) or self._waiting.take(limit, key, lanes)
        self.under_way += len(batch)
        self._quarantined = any(request.suspect for request in batch)
        return batch

    def retry(self, request: Request) -> None:
        """Puts a request that needs another try before all others of its lane."""
        with self.changed:
            self._leave()
            if not request.stream.abandoned:
                self._waiting.return_to_front(request)
                self.changed.notify_all()

    def wait(self, requests: Sequence[Request], error: ServerAway) -> None:
        """Puts requests back whose server takes nothing now, and lets all wait until it is tried again."""
        with self.changed:
            self._refusals += 1
            seconds = error.seconds or min(LONGEST_PAUSE_SECONDS, SHORTEST_PAUSE_SECONDS * 2 ** (self._refusals - 1))
            seconds = min(LONGEST_PAUSE_SECONDS, max(SHORTEST_PAUSE_SECONDS, seconds))
            self._paused_until = time.monotonic() + seconds
            if self.problem != error.reason:
                log.warning("%s: windows wait: %s", request_ids(requests), error.reason)
            self.problem = error.reason
        for request in requests:
            if error.broke and self._is_to_blame(request):
                self.fail(request, EngineError(f"the server breaks off at this window: {error.reason}"))
            else:
                self.retry(request)
        alarm = threading.Timer(seconds, self._notify)
        alarm.daemon = True
        alarm.start()

    def _is_to_blame(self, request: Request) -> bool:
        """Returns whether a server broke off at a window again and again, and answered others meanwhile."""
        if not request.breaks:
            request.answered_before = self.tally.windows
        request.breaks += 1
        return request.breaks > MOST_BREAKS and self.tally.windows > request.answered_before

    def _notify(self) -> None:
        with self.changed:
            self.changed.notify_all()

    def set_language(self, request: Request, language: Language) -> None:
        """Records the language that was detected in a request's window, and as its stream's language.

        In fast mode the stream keeps the first window's language: the order in which the others are encoded varies.
        """
        with self.changed:
            window = request.work.window
            if not window.is_doubted and (request.stream.language is None or window.passage is not None):
                request.stream.language = language
            request.work.language = language.code
            request.language = language

    def release(self, requests: Sequence[Request]) -> None:
        """Lets streams continue whose language detection is over."""
        with self.changing():
            for request in requests:
                request.stream.detecting = False

    def answer(self, request: Request, transcript: WindowTranscript) -> None:
        """Answers a request with its transcript and counts it."""
        work = request.work
        pinned = request.language or request.stream.language
        language = pinned if pinned and pinned.code == work.language else Language(work.language or "", 1.0)
        result = transcript.result(language, self.versions.get(work.options.model, ""))
        with self.changed:
            self._leave()
            self.problem, self._refusals = "", 0
            self.tally.windows += 1
            self.tally.audio_seconds += result.end - result.start
            # Answered under the lock: the next window may end this process.
            request.answer(result)

    def refuse(self, request: Request, error: EngineError) -> None:
        """Answers a request with an error."""
        with self.changed:
            self._leave()
            request.stream.detecting = False
            self.changed.notify_all()
            request.answer(error)

    def fail(self, request: Request, error: Exception) -> None:
        """Logs an error that decoding a window raised, and answers with WindowFailed."""
        window = request.work.window
        log.error("%s: window %d (%.1f s) failed: %s", request.stream.request_id, window.index, window.start, error)
        reason = str(error) if isinstance(error, EngineError) else f"{type(error).__name__}: {error}"
        self.refuse(request, WindowFailed(reason))

    def discard(self, request: Request) -> None:
        """Drops a request that is under way and that nobody waits for."""
        with self.changed:
            self._leave()

    def overdue(self) -> float:
        """Returns by how many seconds the latest call in progress exceeds its time limit; 0 or less for none."""
        return max((time.monotonic() - due for due in list(self._due.values())), default=0.0)

    @property
    def calls_in_hand(self) -> int:
        return len(self._due)

    def note_probe(self, seconds: float) -> None:
        """Records the seconds that a model took for its probe. The slowest model sets the time limit of all calls."""
        self.probe_seconds = max(self.probe_seconds, seconds)

    def count_batch(self, windows: int, tokens: int = 0) -> None:
        """Counts a call of a decoder, or one of its steps, with so many windows, which made so many tokens."""
        with self.changed:
            self.tally.batches += 1
            self.tally.batch_windows += windows
            self.tally.tokens += tokens

    def count_shortage(self) -> None:
        """Counts that memory ran out."""
        with self.changed:
            self.tally.out_of_memory += 1

    @contextmanager
    def timed(self, windows: int = 1, patience: float | None = None) -> Iterator[None]:
        """Times a call of a model with so many windows.

        patience: the call's time limit in seconds; derived from the probe and the windows unless given.
        """
        thread, began = threading.get_ident(), time.monotonic()
        self._due[thread] = began + (patience or patience_for(self.probe_seconds, windows))
        try:
            yield
        finally:
            del self._due[thread]
            with self.changed:
                self.calls_done += 1
                self.tally.busy_seconds += time.monotonic() - began

    def _may_take(self) -> bool:
        if time.monotonic() < self._paused_until:
            return False
        return not self.under_way or not (self._quarantined or self._waiting.holds_suspects())

    def _leave(self) -> None:
        self.under_way -= 1
        if not self.under_way:
            self.changed.notify_all()

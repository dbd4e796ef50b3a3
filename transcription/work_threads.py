"""Threads for work beside the sweeper: so many at once, and each tenant only some of them."""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Collection
from typing import Generic, TypeVar

from django.db import connections

from transcription import request_id

log = logging.getLogger(__name__)
Owner = TypeVar("Owner")


class WorkThreads(Generic[Owner]):
    """Runs work in at most so many threads, and counts by owner what runs or waits for a thread."""

    def __init__(self, most: int) -> None:
        self._most, self._running, self._pieces = most, 0, 0
        self._held: Counter[Owner] = Counter()
        self._waiting: deque[tuple[str, Collection[Owner], Callable[[], object], str]] = deque()
        self._changed = threading.Condition()

    @property
    def free(self) -> int:
        return self._most - self._pieces

    def held_by(self, owner: Owner) -> int:
        return self._held[owner]

    def busy(self, share: int = 1) -> list[Owner]:
        """Returns the owners of so many pieces of work, or more."""
        with self._changed:
            return [owner for owner, count in self._held.items() if count >= share]

    def start(self, name: str, owners: Collection[Owner], work: Callable[[], object], request: str = "") -> None:
        """Runs `work` as soon as a thread is free. What it raises is logged, with the id of the HTTP request.

        Raises RuntimeError where the system gives no thread, and none runs that could do it later.
        """
        with self._changed:
            self._pieces += 1
            self._held.update(owners)
            self._waiting.append((name, owners, work, request))
            if self._running < self._most:
                self._start_thread(name)

    def finish(self, seconds: float) -> bool:
        """Drops what waits, and waits so long for what runs. Returns whether that ended."""
        with self._changed:
            while self._waiting:
                self._end(self._waiting.popleft()[1])
            return self._changed.wait_for(lambda: not self._running, seconds)

    def _start_thread(self, name: str) -> None:
        """Takes the work back and raises where no thread can do it; one that runs does it in the end."""
        try:
            threading.Thread(target=self._serve, name=name, daemon=True).start()
        except Exception:
            if not self._running:
                self._end(self._waiting.pop()[1])
                raise
        else:
            self._running += 1

    def _end(self, owners: Collection[Owner]) -> None:
        self._pieces -= 1
        self._held -= Counter(owners)

    def _serve(self) -> None:
        while True:
            with self._changed:
                if not self._waiting:
                    self._running -= 1
                    self._changed.notify_all()
                    return
                name, owners, work, request = self._waiting.popleft()
            try:
                try:
                    work()
                finally:
                    connections.close_all()
            except BaseException:  # the thread goes on, or its place would be lost
                with request_id.bound(request):
                    log.exception("%s broke off; it is tried again.", name)
            finally:
                with self._changed:
                    self._end(owners)

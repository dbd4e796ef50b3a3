"""Whose turn it is where a few places serve many callers: each has a share at most, and they take turns."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Shares(Generic[Item]):
    """Who waits for one of `places`, and who has one: nobody more than `share`. The caller locks."""

    def __init__(self, places: int, share: int) -> None:
        self.places, self.share = places, max(1, min(share, places))
        self._taken: Counter[Hashable] = Counter()
        self._waiting: dict[Hashable, deque[Item]] = {}

    def wait(self, caller: Hashable, item: Item) -> None:
        self._waiting.setdefault(caller, deque()).append(item)

    def served(self) -> Iterator[tuple[Hashable, Item]]:
        """Gives free places to those that wait, one of each caller before a second one of any."""
        while self._taken.total() < self.places and (callers := self._eligible()):
            caller = callers[0]
            line = self._waiting.pop(caller)
            item = line.popleft()
            if line:
                self._waiting[caller] = line  # behind all others
            self._taken[caller] += 1
            yield caller, item

    def give_up(self, caller: Hashable, item: Item) -> bool:
        """Returns False where the item has its place already."""
        line = self._waiting.get(caller)
        if line is None or item not in line:
            return False
        line.remove(item)
        if not line:
            del self._waiting[caller]
        return True

    def leave(self, caller: Hashable) -> None:
        self._taken[caller] -= 1
        self._taken += Counter()  # forgets those that have none

    def _eligible(self) -> list[Hashable]:
        return [caller for caller in self._waiting if self._taken[caller] < self.share]


class TooBusy(Exception):
    """No place was free in time."""


class Places:
    """Threads take turns by caller: a semaphore that one caller can't take whole."""

    def __init__(self, places: int, share: int) -> None:
        self._shares: Shares[threading.Event] = Shares(places, share)
        self.share = self._shares.share
        self._lock = threading.Lock()

    @contextmanager
    def held(self, caller: Hashable, patience: float) -> Iterator[None]:
        """Raises TooBusy after `patience` seconds without a place."""
        mine = threading.Event()
        with self._lock:
            self._shares.wait(caller, mine)
            self._serve()
        if not mine.wait(patience):
            with self._lock:
                if self._shares.give_up(caller, mine):
                    raise TooBusy
        try:
            yield
        finally:
            with self._lock:
                self._shares.leave(caller)
                self._serve()

    def _serve(self) -> None:
        for _caller, event in self._shares.served():
            event.set()

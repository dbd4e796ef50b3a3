"""Divides a few slots among many callers: each may occupy a share of them at most, and callers take turns."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

Item = TypeVar("Item")


class CallerQueue(Generic[Item]):
    """Queues items by caller for `slots`, of which nobody gets more than `share`. Its user locks."""

    def __init__(self, slots: int, share: int) -> None:
        self.slots, self.share = slots, max(1, min(share, slots))
        self._occupied: Counter[Hashable] = Counter()
        self._waiting: dict[Hashable, deque[Item]] = {}

    def add(self, caller: Hashable, item: Item) -> None:
        self._waiting.setdefault(caller, deque()).append(item)

    def admit(self) -> Iterator[tuple[Hashable, Item]]:
        """Gives free slots to waiting items, one of each caller before a second one of any, and yields them."""
        while self._occupied.total() < self.slots and (callers := self._eligible()):
            caller = callers[0]
            items = self._waiting.pop(caller)
            item = items.popleft()
            if items:
                self._waiting[caller] = items  # behind all others
            self._occupied[caller] += 1
            yield caller, item

    def remove(self, caller: Hashable, item: Item) -> bool:
        """Returns False where the item does not wait any more, since it has a slot."""
        items = self._waiting.get(caller)
        if items is None or item not in items:
            return False
        items.remove(item)
        if not items:
            del self._waiting[caller]
        return True

    def release(self, caller: Hashable) -> None:
        """Frees one of the caller's slots."""
        self._occupied[caller] -= 1
        self._occupied += Counter()  # forgets those that have none

    def _eligible(self) -> list[Hashable]:
        return [caller for caller in self._waiting if self._occupied[caller] < self.share]


class TooBusy(Exception):
    """No slot was free in time."""


class ConcurrencyLimit:
    """A semaphore for threads that take turns by caller, and of which one caller can't occupy all slots."""

    def __init__(self, slots: int, share: int) -> None:
        self._queue: CallerQueue[threading.Event] = CallerQueue(slots, share)
        self.share = self._queue.share
        self._lock = threading.Lock()

    @contextmanager
    def slot(self, caller: Hashable, timeout: float) -> Iterator[None]:
        """Waits for a slot and holds it. Raises TooBusy after `timeout` seconds without one."""
        admitted = threading.Event()
        with self._lock:
            self._queue.add(caller, admitted)
            self._admit()
        if not admitted.wait(timeout):
            with self._lock:
                if self._queue.remove(caller, admitted):
                    raise TooBusy
        try:
            yield
        finally:
            with self._lock:
                self._queue.release(caller)
                self._admit()

    def _admit(self) -> None:
        for _caller, admitted in self._queue.admit():
            admitted.set()

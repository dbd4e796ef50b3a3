"""Many threads at one row."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connection

Result = TypeVar("Result")
MOST_THREADS = 32


def at_once(count: int, attempt: Callable[[int], Result]) -> list[Result]:
    """Calls `attempt` with each number below `count`, from threads that start together. Returns what they return."""
    threads = min(count, MOST_THREADS)
    start = threading.Barrier(threads)

    def attempt_and_close(number: int) -> Result:
        try:
            return attempt(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(threads, initializer=start.wait) as pool:
        return list(pool.map(attempt_and_close, range(count)))


def race(times: int, attempt: Callable[[], bool]) -> int:
    """Makes so many attempts at once. Returns how many won."""
    return sum(at_once(times, lambda _number: attempt()))

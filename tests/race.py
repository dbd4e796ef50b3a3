"""Many threads at one row."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from django.db import connection, transaction
from django.db.models import QuerySet

from tests.waiting import until

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


def meeting(rows: QuerySet[Any], count: int, attempt: Callable[[], Result]) -> list[Result]:
    """Makes so many attempts, of which each has come to `rows`, on PostgreSQL, before the first goes on."""

    def attempt_and_close() -> Result:
        try:
            return attempt()
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        with transaction.atomic():
            list(rows.select_for_update())
            made = [pool.submit(attempt_and_close) for _number in range(count)]
            until(lambda: _waiting() == count, what="those that wait for the rows")
        return [one.result() for one in made]


def _waiting() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted")
        return int(cursor.fetchone()[0])


def race(times: int, attempt: Callable[[], bool]) -> int:
    """Makes so many attempts at once. Returns how many won."""
    return sum(at_once(times, lambda _number: attempt()))

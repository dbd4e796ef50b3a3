"""Lets one host at a time change the database's schema."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from django.core.management.base import CommandError
from django.db import Error as DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper

LOCK = 0x77706D67
"""Of PostgreSQL's advisory locks; the number means nothing."""
LONGEST_SECONDS = 1800.0
RETRY_SECONDS = 1.0


@contextmanager
def locked(connection: BaseDatabaseWrapper, say: Callable[[str], object]) -> Iterator[None]:
    """Waits for other migrations to end. SQLite's belong to one process, which locks its folder.

    Raises CommandError where one doesn't end.
    """
    if connection.vendor != "postgresql":
        yield
        return
    deadline, is_told = time.monotonic() + LONGEST_SECONDS, False
    while not _ask(connection, "SELECT pg_try_advisory_lock(%s)"):
        if not is_told:
            say("Another host migrates the database; waiting for it …")
            is_told = True
        if time.monotonic() > deadline:
            raise CommandError(
                "Another migration doesn't end. Its process is in pg_locks (locktype advisory); where its host is "
                "gone, end it with pg_terminate_backend."
            )
        time.sleep(RETRY_SECONDS)
    try:
        yield
    finally:
        with suppress(DatabaseError):  # with the connection the lock is gone, too
            _ask(connection, "SELECT pg_advisory_unlock(%s)")


def _ask(connection: BaseDatabaseWrapper, question: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(question, [LOCK])
        [answer] = cursor.fetchone()
    return bool(answer)

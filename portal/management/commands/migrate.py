from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.core.management.commands.migrate import Command as Migrate
from django.db import Error as DatabaseError
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from portal.backup.migrations import LAST_OF_THEM, applied_migrations, squashed_in_part

LOCK = 0x77706D67
"""Of PostgreSQL's advisory locks; the number means nothing."""
LONGEST_SECONDS = 1800.0
RETRY_SECONDS = 1.0


class Command(Migrate):
    """Django's, but that two at once take turns: of two first ones Django's own would both make the same tables."""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--wait", type=float, default=0, metavar="SECONDS", help="wait so long for the database")

    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[options["database"]]
        self._wait_for(connection, options["wait"])
        with self._lock(connection):
            if squashed_in_part(applied_migrations()):
                raise CommandError(
                    f"The database is of a release before 2026-11-29. Migrate it with that one first: {LAST_OF_THEM}."
                )
            super().handle(*args, **options)

    def _wait_for(self, connection: BaseDatabaseWrapper, seconds: float) -> None:
        """Raises DatabaseError where the database doesn't answer within so many seconds."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                connection.ensure_connection()
            except DatabaseError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(RETRY_SECONDS)
            else:
                return

    @contextmanager
    def _lock(self, connection: BaseDatabaseWrapper) -> Iterator[None]:
        """Waits for other migrations to end. SQLite's belong to one process, which locks its folder.

        Raises CommandError where one doesn't end.
        """
        if connection.vendor != "postgresql":
            yield
            return
        deadline, is_told = time.monotonic() + LONGEST_SECONDS, False
        while not _ask(connection, "SELECT pg_try_advisory_lock(%s)"):
            if not is_told:
                self.stderr.write("Another host migrates the database; waiting for it …")
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

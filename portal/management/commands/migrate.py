from __future__ import annotations

import time
from contextlib import nullcontext
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.core.management.commands.migrate import Command as Migrate
from django.db import Error as DatabaseError
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from portal.backup.migrations import LAST_OF_THEM, applied_migrations, squashed_in_part
from portal.upgrade import installed
from portal.upgrade.lock import RETRY_SECONDS, locked


class Command(Migrate):
    """Django's, but that two at once take turns: of two first ones Django's own would both make the same tables.

    It notes which release the database is of then, and where it was before.
    """

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--wait", type=float, default=0, metavar="SECONDS", help="wait so long for the database")

    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[options["database"]]
        self._wait_for(connection, options["wait"])
        with locked(connection, self.stderr.write):
            if squashed_in_part(applied_migrations()):
                raise CommandError(
                    f"The database is of a release before 2026-11-29. Migrate it with that one first: {LAST_OF_THEM}."
                )
            is_whole = not any(options.get(name) for name in ("app_label", "plan", "check_unapplied", "fake"))
            with installed.noting() if is_whole else nullcontext():
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

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.commands.migrate import Command as Migrate
from django.db import connections

LOCK = 0x77706D67
"""Of PostgreSQL's advisory locks; the number means nothing."""


class Command(Migrate):
    """Django's, but that two at once take turns: of two first ones Django's own would both make the same tables."""

    def handle(self, *args: Any, **options: Any) -> None:
        with _lock(options["database"]):
            super().handle(*args, **options)


@contextmanager
def _lock(database: str) -> Iterator[None]:
    """Waits for other migrations to end. SQLite's belong to one process, which locks its folder."""
    connection = connections[database]
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])

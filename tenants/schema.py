"""Whether the database has the tables and columns that this code asks for."""

from __future__ import annotations

from functools import lru_cache

from django.db import Error as DatabaseError
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder


class SchemaBehind(Exception):
    """The database lacks migrations of this code, as said."""


def missing_migrations() -> list[str]:
    """Returns the last migration of each app that the database has not. Those of later code don't count."""
    applied = MigrationRecorder(connection).applied_migrations()
    return [f"{app}.{name}" for app, name in _last_migrations() if (app, name) not in applied]


def require_migrations() -> None:
    """Raises SchemaBehind; not while the database is away, which is waited for."""
    try:
        missing = missing_migrations()
    except DatabaseError:
        return
    if missing:
        names = ", ".join(missing)
        raise SchemaBehind(f"The database lacks migrations of this release: {names}. Run: manage.py migrate")


@lru_cache
def _last_migrations() -> list[tuple[str, str]]:
    return sorted(MigrationLoader(None).graph.leaf_nodes())

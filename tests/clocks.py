"""Whose clock is moved: everybody's, or this process's alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import time_machine
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import DateTimeField, Value
from django.db.models.expressions import DatabaseDefault
from django.db.models.functions import Now
from django.db.models.sql.compiler import SQLCompiler
from django.utils import timezone

from tenants import database_clock
from transcription.lookout import Lookout

_apart = False
_compiled = Lookout.__dict__["compiled"].func


@contextmanager
def clock_moved(**delta: float) -> Iterator[None]:
    """Moves this process's clock by a timedelta; the database's stays, as another host's would."""
    global _apart
    _apart = True
    try:
        with time_machine.travel(timezone.now() + timedelta(**delta), tick=True):
            yield
    finally:
        _apart = False


@contextmanager
def travelling_database() -> Iterator[None]:
    """Takes the database's clock along wherever time-machine travels: then it is later for everybody.

    Queries have the time in them then, and aren't kept.
    """
    seconds_sql = database_clock.unix_seconds_sql
    original = {"sqlite": Now.as_sqlite, "postgresql": Now.as_postgresql}

    def as_vendor(self: Now, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any) -> Any:
        if time_machine.escape_hatch.is_travelling() and not _apart:
            return Value(timezone.now(), DateTimeField()).as_sql(compiler, connection)
        return original[connection.vendor](self, compiler, connection, **context)

    def unix_seconds_sql() -> str:
        is_travelling = time_machine.escape_hatch.is_travelling() and not _apart
        return repr(timezone.now().timestamp()) if is_travelling else seconds_sql()

    def as_sql(self: DatabaseDefault, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> Any:
        return compiler.compile(*self.get_source_expressions())

    with (
        patch.object(Now, "as_sqlite", as_vendor),
        patch.object(Now, "as_postgresql", as_vendor),
        patch.object(DatabaseDefault, "as_sql", as_sql),
        patch.object(database_clock, "unix_seconds_sql", unix_seconds_sql),
        patch.object(Lookout, "compiled", property(_compiled)),
    ):
        yield

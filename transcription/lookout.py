"""Looks whether anything is due, for loops that mostly find nothing."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import QuerySet

from tenants import scope


class Lookout:
    """A query that is compiled once: that takes Django ten times as long as asking the database.

    Its rows may be any tenant's, and due by the database's clock alone.
    """

    def __init__(self, rows: Callable[[], QuerySet[Any]]) -> None:
        self._rows = rows

    def sees_any(self) -> bool:
        with connection.cursor() as cursor:
            cursor.execute(*self._compiled)
            return cursor.fetchone() is not None

    @cached_property
    def _compiled(self) -> tuple[str, tuple[Any, ...]]:
        with scope.across_tenants("what is due of every tenant"):
            sql, parameters = self._rows().order_by().query.exists().get_compiler(DEFAULT_DB_ALIAS).as_sql()
        return sql, tuple(parameters)

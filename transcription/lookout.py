"""Looks whether anything is due, for what is mostly not: all of it by one query."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from functools import cached_property
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import QuerySet

from tenants import scope

log = logging.getLogger(__name__)
LIMITS = {"postgresql": "SET LOCAL lock_timeout = '500ms'; SET LOCAL statement_timeout = '3s'; "}
"""Sent with a query, of which PostgreSQL makes one transaction: it waits briefly, for what a migration locks, too."""

ONE_BY_ONE_SECONDS = 5.0


class Lookout:
    """A query that is compiled once: that takes Django ten times as long as asking the database.

    Its rows may be any tenant's, and due by the database's clock alone.
    """

    def __init__(self, rows: Callable[[], QuerySet[Any]]) -> None:
        self._rows = rows

    @cached_property
    def compiled(self) -> tuple[str, tuple[Any, ...]]:
        with scope.across_tenants("what is due of every tenant"):
            sql, parameters = self._rows().order_by().query.exists().get_compiler(DEFAULT_DB_ALIAS).as_sql()
        return sql, tuple(parameters)


def look(lookouts: Collection[Lookout]) -> set[Lookout]:
    """Returns those that see a row, or can't be asked. Raises what the database says where none can.

    Where one query for all fails, they are asked one by one: one that is broken, or whose table a migration locks,
    holds up no other.
    """
    if not lookouts:
        return set()
    try:
        return _ask(lookouts)
    except Exception as error:
        connection.close()
        connection.ensure_connection()  # raises where the database is away
        log.warning("What is due can't be read at once (%s); it is looked for one by one.", str(error).strip())
        return _ask_each(lookouts)


def _ask_each(lookouts: Collection[Lookout]) -> set[Lookout]:
    """Counts those that fail, or that no time is left for, as seen. Raises the last error where all failed."""
    seen, failed, end = set[Lookout](), 0, time.monotonic() + ONE_BY_ONE_SECONDS
    for one in lookouts:
        try:
            seen |= _ask([one]) if time.monotonic() < end else {one}
        except Exception:
            seen.add(one)
            failed += 1
            if failed == len(lookouts):
                raise
    return seen


def _ask(lookouts: Collection[Lookout]) -> set[Lookout]:
    questions, parameters = zip(*(one.compiled for one in lookouts), strict=True)
    question = "SELECT " + ", ".join(f"EXISTS({one})" for one in questions)
    with connection.cursor() as cursor:
        cursor.execute(LIMITS.get(connection.vendor, "") + question, sum(parameters, ()))
        while cursor.description is None:
            cursor.nextset()
        row = cursor.fetchone()
    return {one for one, is_seen in zip(lookouts, row, strict=True) if is_seen}

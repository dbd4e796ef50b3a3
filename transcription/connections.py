"""Returns database connections to the pool during slow work."""

from __future__ import annotations

from django.db import connection


def lend_connection() -> None:
    """Returns this thread's connection to the pool, except inside a transaction. Call before slow work."""
    if not connection.in_atomic_block:
        connection.close()

"""The database connection of a request or a job, which others may need meanwhile."""

from __future__ import annotations

from django.db import connection


def lend_connection() -> None:
    """Before something slow: the connection goes back to the pool. Within a transaction it stays."""
    if not connection.in_atomic_block:
        connection.close()

"""Returns database connections to the pool during slow work, and closes all of them before a fork."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TypeVar
from uuid import UUID

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connection, connections

from tenants import scope

Chunk = TypeVar("Chunk")


def lend_connection() -> None:
    """Returns this thread's connection to the pool, except inside a transaction. Call before slow work."""
    if not connection.in_atomic_block:
        connection.close()


def close_database() -> None:
    """Closes this thread's connections and the pool with its threads, which don't survive a fork. Call before one."""
    connections.close_all()
    if settings.DATABASES["default"].get("OPTIONS", {}).get("pool"):
        connection.close_pool()  # type: ignore[attr-defined]


async def stream(tenant_id: UUID, chunks: Iterator[Chunk]) -> AsyncIterator[Chunk]:
    """Yields chunks for a streaming response, which outlives its view.

    The tenant is bound, and a database connection used, while a chunk is made, but not while it is sent.
    """

    def next_chunk() -> Chunk | None:
        try:
            with scope.bound(tenant_id):
                return next(chunks, None)
        finally:
            lend_connection()

    while (chunk := await sync_to_async(next_chunk)()) is not None:
        yield chunk

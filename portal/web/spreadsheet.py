"""Streams long tables as CSV; memory holds one batch."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import TypeVar

from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header

from tenants.models import Tenant
from transcription.connections import stream

BOM = "\ufeff"  # by which Excel knows UTF-8

Item = TypeVar("Item")
Row = tuple[object, ...]


def download(
    name: str, tenant: Tenant, columns: Row, batches: Iterator[list[Item]], row: Callable[[Item], Row]
) -> StreamingHttpResponse:
    """Returns a response with the CSV. Batches are read with the tenant bound; `row` must escape formulas."""
    lines = _lines(tenant, columns, ([row(item) for item in batch] for batch in batches))
    headers = {
        "Content-Disposition": content_disposition_header(True, name) or "attachment",
        "X-Accel-Buffering": "no",
    }
    return StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8", headers=headers)


def utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


async def _lines(tenant: Tenant, columns: Row, rows: Iterator[list[Row]]) -> AsyncIterator[bytes]:
    yield _csv([columns], BOM)
    async for batch in stream(tenant.id, rows):
        yield _csv(batch)


def _csv(rows: Iterable[Row], before: str = "") -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows(rows)
    return (before + out.getvalue()).encode()

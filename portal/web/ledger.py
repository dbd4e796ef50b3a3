"""The whole ledger as a table for spreadsheets, streamed: however long it is, memory holds one batch of it."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import UTC, date

from asgiref.sync import sync_to_async
from django.db import connection
from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from portal.web.months import asked_month
from tenants import scope, usage
from tenants.access import TenantRequest, member_required
from tenants.models import LedgerEntry, Tenant

COLUMNS = ("time", "transcription", "kind", "seconds", "description", "member", "key")
FORMULA = re.compile(r"(?:^(?=[=+\-@\t\r\n＝＋－＠]))|(?:(?<=[;,|\t\r\n])(?=[\s\"']*[=+\-@＝＋－＠]))")
BOM = "\ufeff"  # by which Excel knows UTF-8


@require_GET
@never_cache
@member_required("usage.view")
def ledger(request: TenantRequest) -> StreamingHttpResponse:
    """All months, or the one asked for."""
    month = asked_month(request)
    name = f"ledger-{month:%Y-%m}.csv" if month else "ledger.csv"
    disposition = content_disposition_header(True, name) or "attachment"
    lines = _lines(request.actor.tenant, month)
    headers = {"Content-Disposition": disposition, "X-Accel-Buffering": "no"}
    return StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8", headers=headers)


def harmless(text: str) -> str:
    """A cell that no spreadsheet takes for a formula, nor any part of it where another separator is believed in."""
    return FORMULA.sub("'", text)


async def _lines(tenant: Tenant, month: date | None) -> AsyncIterator[bytes]:
    yield _written([COLUMNS], BOM)
    batches, next_rows = usage.batches(tenant, month), sync_to_async(_next_rows)
    while batch := await next_rows(tenant, batches):
        yield _written(batch)


def _next_rows(tenant: Tenant, batches: Iterator[list[LedgerEntry]]) -> list[tuple[object, ...]]:
    """The view is over by now: the tenant is bound anew, and a slow reader holds no connection in between."""
    try:
        with scope.bound(tenant.id):
            return [_row(entry) for entry in next(batches, [])]
    finally:
        if not connection.in_atomic_block:
            connection.close()


def _row(entry: LedgerEntry) -> tuple[object, ...]:
    texts = (entry.description, entry.user.email if entry.user else "", str(entry.api_key) if entry.api_key else "")
    time = entry.created_at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return (time, entry.transcription_id, entry.kind, entry.seconds, *(harmless(text) for text in texts))


def _written(rows: Iterable[Iterable[object]], before: str = "") -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows(rows)
    return (before + out.getvalue()).encode()

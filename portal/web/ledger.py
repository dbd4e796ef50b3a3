"""The ledger as CSV."""

from __future__ import annotations

from django.http import StreamingHttpResponse
from django.views.decorators.http import require_GET

from portal.web import spreadsheet
from portal.web.access import TenantRequest, member_required
from portal.web.months import requested_month
from portal.web.spreadsheet import utc
from tenants import usage
from tenants.models import LedgerEntry
from transcription.exports import escape_formulas
from transcription.library import charges

COLUMNS = ("time", "transcription", "kind", "seconds", "description", "member", "key")


@require_GET
@member_required("usage.view")
def ledger(request: TenantRequest) -> StreamingHttpResponse:
    """Sends the ledger of all months, or of the requested one."""
    month = requested_month(request)
    name = f"ledger-{month:%Y-%m}.csv" if month else "ledger.csv"
    tenant = request.actor.tenant
    rows = charges.entries(request.actor, month)
    return spreadsheet.download(name, tenant, COLUMNS, usage.batches(rows), _row)


def _row(entry: LedgerEntry) -> tuple[object, ...]:
    transcription, name = charges.named(entry)
    texts = (name, entry.user.email if entry.user else "", str(entry.api_key) if entry.api_key else "")
    time = utc(entry.created_at)
    return (time, transcription, entry.kind, entry.seconds, *(escape_formulas(text) for text in texts))

"""The audit log, as a page and as CSV."""

from __future__ import annotations

import json
import re

from django.conf import settings
from django.db.models import QuerySet
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from portal.web import audit_objects, spreadsheet
from portal.web.access import TenantRequest, member_required
from portal.web.audit_form import AuditForm
from portal.web.spreadsheet import utc
from tenants import audit as log
from tenants.models import AuditEntry
from transcription.exports import escape_formulas

ON_A_PAGE = 50
COLUMNS = ("time", "actor kind", "actor id", "actor", "address", "action", "object", "object id", "details")
CURSOR = re.compile(r"(\S{1,40})_(\d{1,18})", re.ASCII)


@require_GET
@member_required("audit.view")
def audit(request: TenantRequest) -> HttpResponse:
    """Shows the newest entries, or those after the cursor of an “Older” link."""
    form = AuditForm(request.GET)
    after = request.GET.get("after", "")
    rows = _after_cursor(log.entries(request.actor, form.wanted), after)
    entries = list(rows[: ON_A_PAGE + 1])
    has_more = len(entries) > ON_A_PAGE
    entries = entries[:ON_A_PAGE]
    context = {
        "form": form,
        "rows": audit_objects.rows(request.actor, entries),
        "after": after,
        "next": _cursor(entries[-1]) if has_more else "",
        "days": max(0, settings.AUDIT_RETENTION_DAYS),
        "section": "audit",
    }
    return render(request, "web/audit.html", context)


@require_GET
@member_required("audit.view")
def download(request: TenantRequest) -> StreamingHttpResponse:
    """Sends all filtered entries as CSV, and records the download."""
    wanted = AuditForm(request.GET).wanted
    log.record(request.actor, "audit.exported")
    tenant = request.actor.tenant
    return spreadsheet.download("audit.csv", tenant, COLUMNS, log.batches(tenant, wanted), _row)


def _after_cursor(rows: QuerySet[AuditEntry], cursor: str) -> QuerySet[AuditEntry]:
    """Raises Http404 for an invalid cursor."""
    if not cursor:
        return rows
    match = CURSOR.fullmatch(cursor)
    try:
        created_at = parse_datetime(match[1]) if match else None
    except ValueError:
        created_at = None
    if match is None or created_at is None or created_at.tzinfo is None:
        raise Http404(_("There is no such page."))
    return log.after(rows, created_at, int(match[2]))


def _cursor(entry: AuditEntry) -> str:
    return f"{entry.created_at.isoformat().replace('+00:00', 'Z')}_{entry.pk}"


def _row(entry: AuditEntry) -> tuple[object, ...]:
    details = json.dumps(entry.details, ensure_ascii=False) if entry.details else ""
    texts = (
        *(entry.actor_kind, entry.shown_actor_id, entry.shown_actor, entry.shown_address),
        *(entry.action, entry.object_type, entry.object_id, details),
    )
    return (utc(entry.created_at), *(escape_formulas(text) for text in texts))

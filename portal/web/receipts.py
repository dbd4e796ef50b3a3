"""Receipts of recordings: to download, and a page that checks them in the browser."""

from __future__ import annotations

import json
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_safe

from portal.web.access import TenantRequest, member_required
from tenants import audit
from transcription.receipts import keys
from transcription.receipts.recordings import receipt_of


@require_GET
@member_required("audit.view")
def receipt(request: TenantRequest, recording_id: UUID) -> HttpResponse:
    """Sends the signed receipt of a recording, also of one that is erased, as a file."""
    text = json.dumps(receipt_of(request.actor, recording_id), ensure_ascii=False, indent=2)
    disposition = f'attachment; filename="receipt-{recording_id}.json"'
    return HttpResponse(text, "application/json", headers={"Content-Disposition": disposition})


@require_safe
def check(request: HttpRequest) -> HttpResponse:
    """Shows a page that checks a receipt, and a file against it, without sending either."""
    actions = {action: str(name) for action, name in audit.ACTIONS.items()}
    return render(request, "web/receipts.html", {"keys": keys.public_keys(), "actions": actions})

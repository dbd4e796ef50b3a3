"""How much of the quota is gone, and the ledger, for programs: scope read."""

from __future__ import annotations

from datetime import date
from functools import partial

from django.urls import path
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.native import parameters
from portal.api.native.operations import listing, operation
from portal.api.native.pagination import PAGE, newest_first
from portal.api.native.schemas.usage import (
    AudioSeconds,
    Day,
    LedgerEntryBody,
    RequestsPerMinute,
    StoredBytes,
    UsageBody,
)
from portal.api.native.tenant_view import TenantView
from portal.http import request_budget
from tenants import quota
from tenants import usage as charges
from tenants.access import Actor
from tenants.models import LedgerEntry
from tenants.rate_limit import Allowance
from transcription.errors import InvalidOption
from transcription.library import charges as ledger

MONTH = parameters.Text("month", "As 2026-11; every month without it.")


class UsageView(TenantView):
    """GET this month's standing: audio seconds, stored bytes, requests a minute, and what was charged on each day."""

    @operation("retrieveUsage", "This month's standing", {200: UsageBody})
    def get(self, request: Request) -> Response:
        self.actor.require("usage.view")
        tenant, month = self.actor.tenant, quota.this_month()
        now, room = quota.snapshot(tenant), request_budget.outcome_of(request._request)
        body = UsageBody(
            month=f"{month:%Y-%m}",
            audio_seconds=AudioSeconds(
                used=now.used_seconds,
                reserved=now.reserved_seconds,
                limit=now.quota.monthly_seconds,
                left=now.left_seconds,
                resets_at=now.resets_at.isoformat(),
            ),
            stored_bytes=StoredBytes(
                used=now.quota.stored_bytes_used, limit=now.quota.stored_bytes, left=now.left_bytes
            ),
            requests_per_minute=RequestsPerMinute(
                limit=now.quota.requests_per_minute, remaining=room.remaining if isinstance(room, Allowance) else None
            ),
            days=[Day(day=one.day.isoformat(), seconds=one.seconds) for one in charges.by_day(tenant, month)],
        )
        return Response(body)


class LedgerView(TenantView):
    """GET what was charged, the newest first; of one `month` where it is given, as 2026-11."""

    @operation(
        "listLedgerEntries",
        "What was charged, newest first",
        {200: listing(LedgerEntryBody)},
        parameters=[*PAGE, MONTH],
    )
    def get(self, request: Request) -> Response:
        """Raises InvalidOption."""
        rows = ledger.entries(self.actor, _month(MONTH.read(request)))
        return newest_first(rows, request, self, partial(entry_fields, self.actor))


def entry_fields(actor: Actor, entry: LedgerEntry) -> LedgerEntryBody:
    """Returns an entry's fields.

    Whoever caused the charge is a member's e-mail address or a key, null where that was not kept or they are gone. The
    transcription is null, and the description empty, for a recording that the caller doesn't see; a key that is limited
    to folders isn't told who caused it either.
    """
    (user, key), (transcription, name) = ledger.caused_by(actor, entry), ledger.named(entry)
    return {
        "id": str(entry.pk),
        "created_at": entry.created_at.isoformat(),
        "month": f"{entry.month.month:%Y-%m}",
        "kind": entry.kind,
        "transcription": transcription or None,
        "seconds": entry.seconds,
        "description": name,
        "member": user.email if user else None,
        "key": {"id": str(key.id), "name": key.name} if key else None,
    }


def _month(text: str) -> date | None:
    """Returns the first day of a month such as 2026-11; None for "". Raises InvalidOption."""
    if not text:
        return None
    try:
        return date.fromisoformat(f"{text}-01")
    except ValueError:
        raise InvalidOption(MONTH.name, _("Give a month as in 2026-11.")) from None


urls = [
    path("usage", UsageView.as_view(), name="native_usage"),
    path("ledger", LedgerView.as_view(), name="native_ledger"),
]

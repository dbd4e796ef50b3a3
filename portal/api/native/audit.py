"""The audit log for programs: scope admin."""

from __future__ import annotations

from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.native.operations import CURSOR, listing, operation, query
from portal.api.native.pagination import newest_first
from portal.api.native.parameters import date_time
from portal.api.native.schemas.audit import AuditEntryBody
from portal.api.native.tenant_view import TenantView
from tenants import audit
from tenants.models import AuditEntry


class AuditView(TenantView):
    """GET who did what, the newest first; `action`, `actor`, `object`, `since` and `until` narrow it down."""

    @operation(
        "listAuditEntries",
        "Who did what, newest first",
        {200: listing(AuditEntryBody)},
        parameters=[
            *CURSOR,
            query("action", "Such as key.created."),
            query("actor", "The id of a member or a key."),
            query("object", "The id of what it was done to."),
            query("since", "Date, time and zone."),
            query("until", "Date, time and zone."),
        ],
    )
    def get(self, request: Request) -> Response:
        """Raises InvalidOption."""
        asked = request.query_params
        wanted = audit.Filter(
            action=asked.get("action", ""),
            actor=asked.get("actor", ""),
            object_id=asked.get("object", ""),
            since=date_time(request, "since"),
            until=date_time(request, "until"),
        )
        return newest_first(audit.entries(self.actor, wanted), request, self, entry_fields)


def entry_fields(entry: AuditEntry) -> AuditEntryBody:
    """Of an operator the tenant learns that it was one."""
    return {
        "id": str(entry.pk),
        "created_at": entry.created_at.isoformat(),
        "actor": {"kind": entry.actor_kind, "id": entry.shown_actor_id or None, "name": entry.shown_actor or None},
        "address": entry.shown_address or None,
        "action": entry.action,
        "object": {"type": entry.object_type, "id": entry.object_id} if entry.object_type else None,
        "details": entry.details,
    }


urls = [path("audit", AuditView.as_view(), name="native_audit")]

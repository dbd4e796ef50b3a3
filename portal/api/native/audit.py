"""The audit log for programs: scope admin."""

from __future__ import annotations

from datetime import datetime

from django.urls import path
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.native.moments import moment
from portal.api.native.pages import NewestFirst
from portal.api.native.shapes import AuditEntryBody
from portal.api.native.tenantview import TenantView
from portal.api.openapi.operations import CURSOR, listing, operation, query
from tenants import audit
from tenants.models import AuditEntry
from transcription.options import InvalidOption


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
            since=_moment(asked.get("since", ""), "since"),
            until=_moment(asked.get("until", ""), "until"),
        )
        pages = NewestFirst()
        page = pages.paginate_queryset(audit.entries(self.actor, wanted), request, view=self) or []
        return pages.get_paginated_response([entry_fields(entry) for entry in page])


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


def _moment(text: str, name: str) -> datetime | None:
    """Raises InvalidOption."""
    if not text:
        return None
    try:
        return moment(text)
    except ValueError:
        raise InvalidOption(name, _("Give date, time and zone, as in 2027-01-31T12:00:00Z.")) from None


urls = [path("audit", AuditView.as_view(), name="native_audit")]

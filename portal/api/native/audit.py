"""The audit log for programs: scope admin."""

from __future__ import annotations

from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.native import parameters
from portal.api.native.operations import listing, operation
from portal.api.native.pagination import PAGE, newest_first
from portal.api.native.schemas.audit import AuditEntryBody
from portal.api.native.tenant_view import TenantView
from tenants import audit
from tenants.models import AuditEntry

ACTION = parameters.Text("action", "Such as key.created.")
ACTOR = parameters.Text("actor", "The id of a member or a key.")
OBJECT = parameters.Text("object", "The id of what it was done to.")
SINCE = parameters.DateTime("since", "Date, time and zone.")
UNTIL = parameters.DateTime("until", "Date, time and zone.")


class AuditView(TenantView):
    """GET who did what, the newest first; `action`, `actor`, `object`, `since` and `until` narrow it down."""

    @operation(
        "listAuditEntries",
        "Who did what, newest first",
        {200: listing(AuditEntryBody)},
        parameters=[*PAGE, ACTION, ACTOR, OBJECT, SINCE, UNTIL],
    )
    def get(self, request: Request) -> Response:
        """Raises InvalidOption."""
        wanted = audit.Filter(
            action=ACTION.read(request),
            actor=ACTOR.read(request),
            object_id=OBJECT.read(request),
            since=SINCE.read(request),
            until=UNTIL.read(request),
        )
        return newest_first(audit.entries(self.actor, wanted), request, self, entry_fields)


def entry_fields(entry: AuditEntry) -> AuditEntryBody:
    """Returns an entry's fields. Of an operator the tenant learns only that it was one."""
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

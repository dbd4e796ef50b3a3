"""The organisation's saved views of the library, for programs. Those of a member's own are no program's."""

from __future__ import annotations

from uuid import UUID

from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.native.operations import JSON, operation
from portal.api.native.parsing import parse_body
from portal.api.native.schemas.saved_views import NewView, ViewBody, ViewChanges, ViewsBody
from portal.api.native.tenant_view import TenantView
from transcription.folders.visibility import MANAGE
from transcription.library import saved_views
from transcription.models import SavedView


class ViewsView(TenantView):
    """POST a view; GET those of the organisation, by their names."""

    @operation("listViews", "The saved views of the organisation", {200: ViewsBody})
    def get(self, request: Request) -> Response:
        return Response({"results": [view_fields(row) for row in saved_views.visible(self.actor)]})

    @operation(
        "saveView",
        "Save a view for everybody in the organisation",
        {201: ViewBody, 200: ViewBody},
        body={JSON: NewView},
        description="200 where it replaces one of that name.",
    )
    def post(self, request: Request) -> Response:
        """Raises InvalidOption and Refused."""
        self.actor.require(MANAGE)
        new = parse_body(request, NewView)
        row, is_new = saved_views.save(self.actor, new.name, new.query.model_dump(), shared=True)
        return Response(view_fields(row), 201 if is_new else 200, headers={"Location": f"/api/v1/views/{row.id}"})


class ViewView(TenantView):
    """GET, PATCH or DELETE one."""

    @operation("retrieveView", "One saved view", {200: ViewBody})
    def get(self, request: Request, view_id: UUID) -> Response:
        return Response(view_fields(saved_views.get(self.actor, view_id)))

    @operation("renameView", "Rename a saved view", {200: ViewBody}, body={JSON: ViewChanges})
    def patch(self, request: Request, view_id: UUID) -> Response:
        """Raises InvalidOption."""
        self.actor.require(MANAGE)
        return Response(view_fields(saved_views.rename(self.actor, view_id, parse_body(request, ViewChanges).name)))

    @operation("deleteView", "Delete a saved view", {204: None})
    def delete(self, request: Request, view_id: UUID) -> Response:
        self.actor.require(MANAGE)
        saved_views.delete(self.actor, view_id)
        return Response(status=204)


def view_fields(row: SavedView) -> ViewBody:
    return {"id": str(row.id), "name": row.name, "query": row.query, "created_at": row.created_at.isoformat()}


urls = [
    path("views", ViewsView.as_view(), name="native_views"),
    path("views/<uuid:view_id>", ViewView.as_view(), name="native_view"),
]

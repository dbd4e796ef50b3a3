"""The terms that are written in a tenant's own way, for programs."""

from __future__ import annotations

from uuid import UUID

from django.urls import path
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.native import parameters
from portal.api.native.operations import JSON, operation
from portal.api.native.parsing import parse_body
from portal.api.native.schemas.terms import NewTerm, TermBody, TermChanges, TermsBody
from portal.api.native.tenant_view import TenantView
from transcription.errors import InvalidOption
from transcription.folders import folders
from transcription.models import Folder
from transcription.models.term import Term
from transcription.transcripts import terms

FOLDER = parameters.Text("folder", "The id of a folder, whose own terms are listed.")


class TermsView(TenantView):
    """POST a term; GET all of the tenant, or of a folder, in the order of the alphabet."""

    @operation("listTerms", "The terms", {200: TermsBody}, parameters=[FOLDER])
    def get(self, request: Request) -> Response:
        """Raises InvalidOption."""
        rows = terms.visible(self.actor, self._folder(FOLDER.read(request)))
        return Response({"results": [term_fields(row) for row in rows]})

    @operation("createTerm", "Add a term", {201: TermBody}, body={JSON: NewTerm})
    def post(self, request: Request) -> Response:
        """Raises InvalidOption."""
        self.actor.require(terms.PERMISSION)
        new = parse_body(request, NewTerm)
        row = terms.create(self.actor, new.text, new.spellings, new.note, new.active, self._folder(new.folder))
        return Response(term_fields(row), 201, headers={"Location": f"/api/v1/terms/{row.id}"})

    def _folder(self, text: str) -> Folder | None:
        """Raises InvalidOption."""
        found = folders.named(self.actor, text)
        if text and found is None:
            raise InvalidOption("folder", _("There is no such folder."))
        return found


class TermView(TenantView):
    """GET, PATCH or DELETE one."""

    @operation("retrieveTerm", "One term", {200: TermBody})
    def get(self, request: Request, term_id: UUID) -> Response:
        return Response(term_fields(terms.get(self.actor, term_id)))

    @operation("updateTerm", "Change a term, or switch it on or off", {200: TermBody}, body={JSON: TermChanges})
    def patch(self, request: Request, term_id: UUID) -> Response:
        """Raises InvalidOption."""
        self.actor.require(terms.PERMISSION)
        return Response(term_fields(terms.change(self.actor, term_id, parse_body(request, TermChanges).sent)))

    @operation("deleteTerm", "Delete a term; transcripts stay as they are", {204: None})
    def delete(self, request: Request, term_id: UUID) -> Response:
        terms.delete(self.actor, term_id)
        return Response(status=204)


def term_fields(row: Term) -> TermBody:
    return {
        "id": str(row.id),
        "text": row.text,
        "spellings": row.spellings,
        "note": row.note,
        "active": row.is_active,
        "folder": str(row.folder_id) if row.folder_id else None,
        "created_at": row.created_at.isoformat(),
    }


urls = [
    path("terms", TermsView.as_view(), name="native_terms"),
    path("terms/<uuid:term_id>", TermView.as_view(), name="native_term"),
]

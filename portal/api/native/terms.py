"""The terms that are written in a tenant's own way, for programs."""

from __future__ import annotations

from uuid import UUID

from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.native.operations import JSON, operation
from portal.api.native.parsing import parse_body
from portal.api.native.schemas.terms import NewTerm, TermBody, TermChanges, TermsBody
from portal.api.native.tenant_view import TenantView
from transcription.models.term import Term
from transcription.transcripts import terms


class TermsView(TenantView):
    """POST a term; GET all of the tenant, in the order of the alphabet."""

    @operation("listTerms", "The terms", {200: TermsBody})
    def get(self, request: Request) -> Response:
        return Response({"results": [term_fields(row) for row in terms.visible(self.actor)]})

    @operation("createTerm", "Add a term", {201: TermBody}, body={JSON: NewTerm})
    def post(self, request: Request) -> Response:
        """Raises InvalidOption."""
        self.actor.require(terms.PERMISSION)
        new = parse_body(request, NewTerm)
        row = terms.create(self.actor, new.text, new.spellings, new.note, new.active)
        return Response(term_fields(row), 201, headers={"Location": f"/api/v1/terms/{row.id}"})


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
        "created_at": row.created_at.isoformat(),
    }


urls = [
    path("terms", TermsView.as_view(), name="native_terms"),
    path("terms/<uuid:term_id>", TermView.as_view(), name="native_term"),
]

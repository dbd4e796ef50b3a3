"""Recordings for programs, version 1."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.utils.translation import gettext as _
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.native.representations import recording_fields
from portal.api.native.tenantview import TenantView
from portal.api.problems import problem
from portal.receive import received
from transcription import exports, intake, library
from transcription.models import Recording, Status
from transcription.options import TranscriptionOptions


class NewestFirst(CursorPagination):
    ordering = ("-created_at", "-id")
    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 200


class RecordingsView(TenantView):
    """POST a recording; GET those of the tenant, newest first."""

    def get(self, request: Request) -> Response:
        rows = library.recordings(
            self.actor,
            search=request.query_params.get("search", ""),
            status=request.query_params.get("status", ""),
        )
        return _page(rows, request, self)

    def post(self, request: Request) -> Response:
        upload = received(request._request)
        options = TranscriptionOptions.checked(
            model=upload.field("model"),
            task=upload.field("task") or "transcribe",
            language=upload.field("language"),
            prompt=upload.field("prompt"),
            temperature=upload.field("temperature") or 0.0,
        )
        row = intake.accept(self.actor, upload, options, source="api")
        return Response(
            recording_fields(row.recording), status=201, headers={"Location": f"/api/v1/recordings/{row.recording_id}"}
        )


class RecordingView(TenantView):
    """GET or DELETE one recording. DELETE is for good."""

    def get(self, request: Request, recording_id: UUID) -> Response:
        return Response(recording_fields(library.recording(self.actor, recording_id)))

    def delete(self, request: Request, recording_id: UUID) -> Response:
        library.erase(self.actor, recording_id)
        return Response(status=204)


class TranscriptView(TenantView):
    """GET the latest transcript of a recording as a file."""

    def get(self, request: Request, recording_id: UUID, extension: str) -> HttpResponse | Response:
        latest = library.recording(self.actor, recording_id).latest
        if latest is None or extension not in exports.WRITERS:
            raise Http404
        if latest.status != Status.COMPLETED:
            return problem(409, "not_completed", _("The transcription is not done: it is %s.") % latest.status)
        export = exports.render(latest, extension)
        return HttpResponse(export.body, content_type=export.content_type)


def _page(rows: QuerySet[Recording], request: Request, view: TenantView) -> Response:
    pages = NewestFirst()
    page = pages.paginate_queryset(rows, request, view=view) or []
    return pages.get_paginated_response([recording_fields(row, with_place=False) for row in page])

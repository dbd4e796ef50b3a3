"""Transcripts as files."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpResponse
from django.utils.http import content_disposition_header
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from tenants.access import TenantRequest, member_required
from transcription import exports, library


@require_GET
@never_cache
@member_required("recordings.view")
def download(request: TenantRequest, transcription_id: UUID, format: str) -> HttpResponse:
    found = library.transcription(request.actor, transcription_id)
    if format not in exports.WRITERS:
        raise Http404
    export = exports.render(found, format)
    disposition = content_disposition_header(True, export.file_name) or "attachment"
    return HttpResponse(export.body, export.content_type, headers={"Content-Disposition": disposition})

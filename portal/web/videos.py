"""Videos with subtitles, on the page of a transcript: asked for, watched, downloaded, deleted."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from portal.http.ranges import ranged
from portal.web.access import TenantRequest, by_method, member_required
from portal.web.script_errors import script_errors
from portal.web.scripts import body_of
from transcription.exports import Layout
from transcription.library import read_audit, recordings
from transcription.media import storage
from transcription.models import SubtitledVideo
from transcription.videos import orders


@member_required("recordings.view")
def show(request: TenantRequest, transcription_id: UUID) -> JsonResponse:
    """Answers with the videos of a transcription, and how far those are that are being made."""
    return _listed(request, transcription_id)


@member_required(orders.PERMISSION)
@script_errors(gone=gettext_lazy("The text is not there any more. Reload the page."))
def ask(request: TenantRequest, transcription_id: UUID) -> JsonResponse:
    """Takes JSON with the `kind`, `max_line_length`, `max_lines` and the id of a text `beside`; answers as `show`."""
    recordings.transcription(request.actor, transcription_id)  # strangers get 404 before any other error
    body = {name: value for name, value in body_of(request).items() if isinstance(value, str)}
    layout = Layout.checked(body.get("max_line_length"), body.get("max_lines"))
    orders.ask(request.actor, transcription_id, body.get("kind", ""), layout, _id(body.get("beside", "")))
    answer = _listed(request, transcription_id)
    answer.status_code = 201
    return answer


videos = by_method(get=show, post=ask)


@require_safe
@member_required("recordings.view")
def file(request: TenantRequest, video_id: UUID) -> HttpResponseBase:
    """Sends a video that is there, and of which nothing was struck, or given back, since."""
    row = orders.video(request.actor, video_id)
    if not orders.is_current(row):
        raise Http404
    for one in (row.transcription, row.beside) if row.beside else (row.transcription,):
        read_audit.exported(request.actor, one, orders.ending(row))
    disposition = content_disposition_header(True, orders.file_name(row)) or ""
    if not storage.is_local():
        return HttpResponseRedirect(storage.signed_url(row.key, disposition))
    answer = ranged(request, row.key, row.bytes, "video/mp4" if row.is_mp4 else "video/x-matroska")
    answer["Content-Disposition"] = disposition
    return answer


@require_POST
@member_required(orders.PERMISSION)
def delete(request: TenantRequest, video_id: UUID) -> HttpResponse:
    row = orders.delete(request.actor, video_id)
    return _listed(request, row.transcription_id)


def _id(text: str) -> UUID | None:
    """Raises Http404."""
    try:
        return UUID(text) if text else None
    except ValueError:
        raise Http404 from None


def _listed(request: TenantRequest, transcription_id: UUID) -> JsonResponse:
    row = recordings.transcription(request.actor, transcription_id)
    rows = orders.videos(request.actor, row).select_related("recording", "transcription", "beside")
    return JsonResponse({"videos": [_fields(one) for one in rows]})


def _fields(row: SubtitledVideo) -> dict[str, Any]:
    fields = {
        "id": str(row.id),
        "label": row.get_kind_display(),
        "beside": row.beside_id is not None,
        "percent": row.percent,
        "waits": row.due_at is not None,
        "error": orders.reason(row),
        "note": "",
        "delete": reverse("web:delete_video", args=[row.id]),
    }
    if orders.is_current(row):
        fields |= {"address": reverse("web:video", args=[row.id]), "size": filesizeformat(row.bytes)}
        fields["note"] = _("The text was corrected since.") if orders.is_older(row) else ""
    elif row.is_there:
        fields["error"] = _("Something was struck out, or given back, since. Ask for the video again.")
    return fields

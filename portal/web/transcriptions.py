"""Downloads, cancels and repeats a transcription."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from portal.web.access import TenantRequest, member_required
from transcription import exports
from transcription.comments import threads
from transcription.errors import InvalidOption, Refused
from transcription.exports import Layout
from transcription.intake import accept
from transcription.library import read_audit, recordings
from transcription.library.retention import TextDeleted
from transcription.models import MAIN, Status, Transcription
from transcription.options import tenant_defaults
from transcription.options.options import checked_track
from transcription.transcripts import striking


@require_GET
@member_required("recordings.view")
def download(request: TenantRequest, transcription_id: UUID, format: str) -> HttpResponse:
    row = recordings.transcription(request.actor, transcription_id)
    if format not in exports.WRITERS or row.status != Status.COMPLETED:
        raise Http404
    try:
        layout = Layout.checked(request.GET.get("max_line_length"), request.GET.get("max_lines"))
        original = request.GET.get("redacted") == "false"
        if original:
            request.actor.require(striking.PERMISSION)
        said = threads.of_file(request.actor, row.recording_id, format, wanted=request.GET.get("comments") == "true")
        beside = text_beside(row, request.GET.get("beside", ""))
        export = exports.render(row, format, layout, original=original, comments=said, beside=beside)
    except InvalidOption as invalid:
        return HttpResponse(f"{invalid}\n", "text/plain; charset=utf-8", 400)
    except TextDeleted as deleted:
        return HttpResponse(f"{deleted}\n", "text/plain; charset=utf-8", 410)
    for one in (row, beside) if beside else (row,):
        read_audit.exported(request.actor, one, format)
    disposition = content_disposition_header(True, export.file_name) or "attachment"
    return HttpResponse(export.body, export.content_type, headers={"Content-Disposition": disposition})


def text_beside(row: Transcription, text: str) -> Transcription | None:
    """Returns the transcription that is to stand beside; None where none is asked for. Raises Http404, TextDeleted."""
    if not text:
        return None
    try:
        return exports.beside.other(row, UUID(text))
    except ValueError:
        raise Http404 from None


@require_POST
@member_required("recordings.create")
def cancel(request: TenantRequest, transcription_id: UUID) -> HttpResponse:
    row, cancelled = recordings.cancel(request.actor, transcription_id)
    if request.headers.get("X-Requested-With") == "XMLHttpRequest":
        return HttpResponse(status=204)  # the page shows it, and no message is left for the next one
    name = {"name": row.recording.name}
    if cancelled:
        messages.success(request, _("The transcription of “%(name)s” was cancelled. Nothing was charged.") % name)
    else:
        messages.info(request, _("The transcription of “%(name)s” was over already.") % name)
    if request.POST.get("from") == "list":
        return redirect("web:recordings")
    return redirect("web:recording", row.recording_id)


@require_POST
@member_required("recordings.create")
def retry(request: TenantRequest, transcription_id: UUID) -> HttpResponse:
    row = recordings.transcription(request.actor, transcription_id)
    return _submit(request, row, lambda: accept.retry(request.actor, row))


@require_POST
@member_required("recordings.create")
def track(request: TenantRequest, transcription_id: UUID) -> HttpResponse:
    """Transcribes another audio track of the recording with otherwise the same options."""
    row = recordings.transcription(request.actor, transcription_id, MAIN)

    def submit() -> Transcription:
        number = checked_track(request.POST.get("audio_track", ""))
        options = replace(tenant_defaults.requested(row, request.actor.tenant), audio_track=number)
        return accept.transcribe_again(request.actor, row.recording, options)

    return _submit(request, row, submit)


def _submit(request: TenantRequest, row: Transcription, submit: Callable[[], object]) -> HttpResponse:
    try:
        submit()
    except (Refused, InvalidOption) as refused:
        messages.error(request, str(refused))
    return redirect("web:recording", row.recording_id)

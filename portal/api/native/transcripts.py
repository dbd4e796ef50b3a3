"""Transcripts as files, for programs."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpResponse
from django.urls import path
from django.utils.translation import gettext as _
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.native import parameters
from portal.api.native.operations import TRANSCRIPTS, operation
from portal.api.native.originals import REDACTED, wants_original
from portal.api.native.tenant_view import TenantView
from portal.api.problems import problem
from tenants.access import Actor
from transcription import exports
from transcription.comments import threads
from transcription.errors import InvalidOption
from transcription.exports import Layout
from transcription.exports.layout import LINE_LENGTHS, LINES
from transcription.library import read_audit, recordings
from transcription.models import Status, Transcription

COMMENTS = parameters.Choice("comments", "Whether a Word document has the comments; docx only.", ("true", "false"))
BESIDE = parameters.Text(
    "beside", "The id of another transcription of the recording, such as a translation; txt, srt, vtt and docx only."
)
LAYOUT = (
    parameters.Whole("max_line_length", "Characters on a line of a subtitle; srt and vtt only.", LINE_LENGTHS),
    parameters.Whole("max_lines", "Lines of a subtitle; srt and vtt only.", LINES),
    COMMENTS,
    BESIDE,
    REDACTED,
)


class LatestTranscriptView(TenantView):
    """GET the latest transcript of a recording as a file."""

    @operation("retrieveLatestTranscript", "The latest transcript as a file", {200: TRANSCRIPTS}, parameters=LAYOUT)
    def get(self, request: Request, recording_id: UUID, extension: str) -> HttpResponse | Response:
        latest = recordings.recording(self.actor, recording_id).latest
        if latest is None:
            raise Http404
        return _transcript(self.actor, request, latest, extension)


class TranscriptView(TenantView):
    """GET one transcript as a file."""

    @operation("retrieveTranscript", "A transcript as a file", {200: TRANSCRIPTS}, parameters=LAYOUT)
    def get(self, request: Request, transcription_id: UUID, extension: str) -> HttpResponse | Response:
        return _transcript(self.actor, request, recordings.transcription(self.actor, transcription_id), extension)


def _transcript(actor: Actor, request: Request, row: Transcription, extension: str) -> HttpResponse | Response:
    """Raises Http404 for an unknown format, InvalidOption, and TextDeleted."""
    if extension not in exports.WRITERS:
        raise NotFound(
            _("There is no format “%(name)s”. Known are %(known)s.")
            % {"name": extension[:10], "known": ", ".join(exports.WRITERS)}
        )
    if row.status != Status.COMPLETED:
        return problem(409, "not_completed", _("The transcription is not done: it is %s.") % row.status)
    layout = Layout.checked(request.query_params.get("max_line_length"), request.query_params.get("max_lines"))
    said = threads.of_file(actor, row.recording_id, extension, wanted=COMMENTS.read(request) == "true")
    original, other = wants_original(actor, request), BESIDE.read(request)
    beside = exports.beside.asked(row, other) if other else None
    if layout is not None and extension not in exports.SUBTITLES:
        sent = next(name for name in ("max_line_length", "max_lines") if request.query_params.get(name))
        raise InvalidOption(sent, _("“%(name)s” is for srt and vtt only.") % {"name": sent})
    export = exports.render(row, extension, layout, original=original, comments=said, beside=beside)
    for one in (row, beside) if beside else (row,):
        read_audit.exported(actor, one, extension)
    return HttpResponse(export.body, content_type=export.content_type)


urls = [
    path(
        "recordings/<uuid:recording_id>/transcript.<str:extension>",
        LatestTranscriptView.as_view(),
        name="native_latest_transcript",
    ),
    path(
        "transcriptions/<uuid:transcription_id>/transcript.<str:extension>",
        TranscriptView.as_view(),
        name="native_transcript",
    ),
]

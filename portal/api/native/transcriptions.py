"""Single transcriptions for programs: looked at, stopped, tried again."""

from __future__ import annotations

from uuid import UUID

from django.urls import path
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api import call_headers
from portal.api.native.operations import IDEMPOTENCY_KEY, operation
from portal.api.native.parsing import RequestBody, parse_body
from portal.api.native.representations import transcription_fields
from portal.api.native.schemas.recordings import TranscriptionBody
from portal.api.native.tenant_view import TenantView
from portal.api.problems import problem
from transcription.intake import accept, translation
from transcription.library import recordings


class NoFields(RequestBody):
    """The options are those of the transcription that is tried again."""


class TranscriptionView(TenantView):
    """GET one transcription."""

    @operation("retrieveTranscription", "One transcription", {200: TranscriptionBody})
    def get(self, request: Request, transcription_id: UUID) -> Response:
        return Response(transcription_fields(self.actor, recordings.transcription(self.actor, transcription_id)))


class CancelView(TenantView):
    """POST to stop a transcription that waits or runs."""

    @operation("cancelTranscription", "Stop what waits or runs", {200: TranscriptionBody})
    def post(self, request: Request, transcription_id: UUID) -> Response:
        row, cancelled = recordings.cancel(self.actor, transcription_id)
        if not cancelled:
            return problem(409, "already_over", _("The transcription was over already: it is %s.") % row.status)
        return Response(transcription_fields(self.actor, row))


class RetryView(TenantView):
    """POST to transcribe once more what failed or was cancelled, under the same options."""

    @operation(
        "retryTranscription",
        "Transcribe once more what failed or was cancelled",
        {201: TranscriptionBody},
        parameters=[IDEMPOTENCY_KEY],
        description="Another transcription, under what was asked for with the first one. Asked for again, it is the "
        "same one as long as it is not over.",
    )
    def post(self, request: Request, transcription_id: UUID) -> Response:
        """Refuses any field: a retry has no options of its own. Raises InvalidOption and Refused."""
        call = call_headers.call_of(request._request)
        found = recordings.transcription(self.actor, transcription_id)
        parse_body(request, NoFields)
        row = accept.retry(self.actor, found, call)
        location = {"Location": f"/api/v1/transcriptions/{row.id}"}
        return Response(
            transcription_fields(self.actor, row), 201, headers=location | call_headers.headers_of(call, row)
        )


class TranslationView(TenantView):
    """POST for a translation into English that stands beside the transcription."""

    @operation(
        "translateTranscription",
        "Translate into English, beside the transcription",
        {201: TranscriptionBody},
        parameters=[IDEMPOTENCY_KEY],
        description="Charged as any transcription. What answers already, or is under way, is answered with.",
    )
    def post(self, request: Request, transcription_id: UUID) -> Response:
        """Refuses any field: the options are those of the transcription. Raises InvalidOption and Refused."""
        call = call_headers.call_of(request._request)
        recordings.transcription(self.actor, transcription_id)
        parse_body(request, NoFields)
        row = translation.ask(self.actor, transcription_id, call)
        location = {"Location": f"/api/v1/transcriptions/{row.id}"}
        return Response(
            transcription_fields(self.actor, row), 201, headers=location | call_headers.headers_of(call, row)
        )


urls = [
    path("transcriptions/<uuid:transcription_id>", TranscriptionView.as_view(), name="native_transcription"),
    path("transcriptions/<uuid:transcription_id>/cancel", CancelView.as_view(), name="native_cancel"),
    path("transcriptions/<uuid:transcription_id>/retry", RetryView.as_view(), name="native_retry"),
    path(
        "transcriptions/<uuid:transcription_id>/translation",
        TranslationView.as_view(),
        name="native_translation",
    ),
]

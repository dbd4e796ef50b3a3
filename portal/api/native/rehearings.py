"""Lines of a transcript that are heard again under other options, for programs."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from django.urls import path
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api import call_headers
from portal.api.native.operations import IDEMPOTENCY_KEY, IF_MATCH, JSON, operation
from portal.api.native.originals import REDACTED, hidden_spans, wants_original
from portal.api.native.parsing import check_not_both, parse_body
from portal.api.native.representations import transcription_fields
from portal.api.native.schemas.rehearings import NewRehearing, RehearingBody
from portal.api.native.schemas.segments import SECONDS, SegmentsBody
from portal.api.native.segments import TRANSCRIPTION, segments_answer
from portal.api.native.tenant_view import TenantView
from portal.api.preconditions import quoted, seen_tags
from tenants.access import Actor
from transcription.engine.types import Span
from transcription.errors import InvalidOption
from transcription.intake import rehearing as intake
from transcription.library import read_audit
from transcription.models import Status, Transcription
from transcription.strikes import redacted_segments, spans_of
from transcription.transcripts import editing
from transcription.transcripts import rehearing as service
from transcription.transcripts.rehearing import Lines

NONE: Mapping[str, str] = {}
REHEARING = f"{TRANSCRIPTION}/rehearings/<uuid:rehearing_id>"


class RehearingsView(TenantView):
    """POST which lines to hear again, and how."""

    @operation(
        "rehearSegments",
        "Hear lines of a transcript again",
        {201: RehearingBody},
        body={JSON: NewRehearing},
        parameters=[IDEMPOTENCY_KEY, REDACTED],
        description="What is heard is charged, for the same lines under the same options once.",
    )
    def post(self, request: Request, transcription_id: UUID) -> Response:
        call = call_headers.call_of(request._request)
        editing.transcript(self.actor, transcription_id)
        body = parse_body(request, NewRehearing)
        row = intake.ask(self.actor, transcription_id, _where(body), body.options, call)
        location = {"Location": f"/api/v1/transcriptions/{transcription_id}/rehearings/{row.id}"}
        return self._answer(request, row, 201, location | call_headers.headers_of(call, row))

    def _answer(
        self, request: Request, heard: Transcription, status: int = 200, headers: Mapping[str, str] = NONE
    ) -> Response:
        assert heard.rehears_id is not None
        row, original = editing.transcript(self.actor, heard.rehears_id), wants_original(self.actor, request)
        read_audit.read(self.actor, row, "answer")
        body = rehearing_fields(self.actor, row, heard, original=original)
        return Response(body, status, headers={"ETag": body["etag"], **headers})


class RehearingView(RehearingsView):
    """GET how far it is and what was heard; DELETE to stop it."""

    http_method_names = ("get", "head", "delete", "options")

    @operation("retrieveRehearing", "What was heard again", {200: RehearingBody}, parameters=[REDACTED])
    def get(self, request: Request, transcription_id: UUID, rehearing_id: UUID) -> Response:
        return self._answer(request, service.get(self.actor, transcription_id, rehearing_id))

    @operation("stopRehearing", "Stop hearing again what waits or runs", {204: None})
    def delete(self, request: Request, transcription_id: UUID, rehearing_id: UUID) -> Response:
        service.stop(self.actor, transcription_id, rehearing_id)
        return Response(status=204)


class TakeView(TenantView):
    """POST to put what was heard in the place of the lines."""

    @operation(
        "takeRehearing",
        "Put what was heard again in the place of the lines",
        {200: SegmentsBody},
        parameters=[IF_MATCH, REDACTED],
    )
    def post(self, request: Request, transcription_id: UUID, rehearing_id: UUID) -> Response:
        row = service.take(self.actor, transcription_id, rehearing_id, seen_tags(request._request))
        return segments_answer(row, hidden_spans(self.actor, request, row))


def rehearing_fields(actor: Actor, row: Transcription, heard: Transcription, *, original: bool) -> RehearingBody:
    """Describes a rehearing, without what is struck unless it is to be the `original`."""
    lines = service.lines_of(row, heard.range_start, heard.range_end)
    tag, told = service.tag_of(lines), transcription_fields(actor, heard)
    shown = lines if original else redacted_segments(lines, spans_of(row))
    has_text = heard.status == Status.COMPLETED and heard.text_deleted_at is None
    return {
        "id": str(heard.id),
        "transcription": str(row.id),
        "status": heard.status,
        "percent": heard.percent,
        "start": heard.range_start,
        "end": heard.range_end,
        "model": heard.model,
        "language": told["language"],
        "beam_size": heard.beam_size,
        "queue": told["queue"],
        "error": told["error"],
        "text": "\n".join(service.heard_texts(heard, original=original)) if has_text else None,
        "text_now": "\n".join(line.text.strip() for line in shown),
        "changed": tag != heard.range_tag,
        "etag": quoted(tag),
    }


def _where(body: NewRehearing) -> Lines | Span:
    """Raises InvalidOption."""
    check_not_both(body, ("first", "last"), SECONDS)
    if body.first is not None and body.last is not None:
        return Lines(body.first, body.last)
    if body.start is not None and body.end is not None:
        return body.start, body.end
    raise InvalidOption("first", _("Name the lines by “first” and “last”, or the seconds by “start” and “end”."))


urls = [
    path(f"{TRANSCRIPTION}/rehearings", RehearingsView.as_view(), name="native_rehearings"),
    path(REHEARING, RehearingView.as_view(), name="native_rehearing"),
    path(f"{REHEARING}/take", TakeView.as_view(), name="native_take"),
]

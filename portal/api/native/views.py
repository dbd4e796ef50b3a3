"""Recordings and their transcriptions for programs, version 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api import calls
from portal.api.native import bodies
from portal.api.native.fetches import fetch_fields
from portal.api.native.pages import NewestFirst
from portal.api.native.representations import recording_fields, transcription_fields
from portal.api.native.shapes import FetchBody, RecordingBody, TranscriptionBody
from portal.api.native.tenantview import TenantView
from portal.api.openapi.operations import (
    CURSOR,
    FILE,
    FORM,
    IDEMPOTENCY_KEY,
    JSON,
    OPTION_FIELDS,
    TRANSCRIPTS,
    listing,
    operation,
    place,
    properties,
    query,
    text,
)
from portal.api.problems import problem
from portal.receive import received
from tenants.access import Actor
from transcription import exports, intake, library, reading
from transcription.exports import Layout
from transcription.fetches import orders
from transcription.idempotency import Call
from transcription.models import Recording, Status, Transcription
from transcription.options import InvalidOption, TranscriptionOptions

LAYOUT = (
    place("max_line_length", "Characters on a line of a subtitle; srt and vtt only."),
    place("max_lines", "Lines of a subtitle; srt and vtt only."),
)


class RecordingsView(TenantView):
    """POST a recording, as a file or by its URL; GET those of the tenant, newest first."""

    @operation(
        "listRecordings",
        "Recordings, newest first",
        {200: listing(RecordingBody)},
        parameters=[
            *CURSOR,
            query("search", "Only those in whose name or text every word stands."),
            query("status", "Only those whose latest transcription is so.", enum=list(Status.values)),
        ],
    )
    def get(self, request: Request) -> Response:
        rows = library.recordings(
            self.actor,
            search=request.query_params.get("search", ""),
            status=request.query_params.get("status", ""),
        )
        return _page(rows, request, self)

    @operation(
        "createRecording",
        "Send a recording, or say where it is",
        {201: RecordingBody, 202: FetchBody},
        body={
            FORM: properties(file=FILE, **OPTION_FIELDS, required=["file"]),
            JSON: properties(url=text(format="uri"), name=text(), **OPTION_FIELDS, required=["url"]),
        },
        parameters=[IDEMPOTENCY_KEY],
        description="A file is answered with 201, a URL with 202: it is fetched soon.",
    )
    def post(self, request: Request) -> Response:
        self.actor.require("recordings.create")
        call = calls.call_of(request._request)
        if request._request.content_type == "application/json":
            return self._by_url(request.data, call)
        upload = received(request._request)
        options = TranscriptionOptions.checked(
            model=upload.field("model"),
            task=upload.field("task") or "transcribe",
            language=upload.field("language"),
            prompt=upload.field("prompt"),
            temperature=upload.field("temperature") or 0.0,
            word_timestamps=upload.field("word_timestamps"),
            mode=upload.field("mode"),
            hotwords=upload.field("hotwords"),
            beam_size=upload.field("beam_size"),
        )
        row = intake.accept(self.actor, upload, options, "api", call)
        location = {"Location": f"/api/v1/recordings/{row.recording_id}"}
        return Response(recording_fields(row.recording), 201, headers=location | calls.headers_of(call, row))

    def _by_url(self, body: Any, call: Call) -> Response:
        """Raises InvalidOption and Refused."""
        options = _options(body)
        if not (url := bodies.text(body, "url")):
            raise InvalidOption("url", _("Name the “url” of the recording, or send a file as multipart/form-data."))
        ordered = orders.order(self.actor, url, bodies.text(body, "name") or "", options, call)
        headers = {"Location": f"/api/v1/fetches/{ordered.fetch.id}"}
        if not ordered.is_new:
            headers["Idempotency-Replayed"] = "true"
        return Response(fetch_fields(ordered.fetch), 202, headers=headers)


class RecordingView(TenantView):
    """GET or DELETE one recording. DELETE is for good."""

    @operation("retrieveRecording", "One recording", {200: RecordingBody})
    def get(self, request: Request, recording_id: UUID) -> Response:
        return Response(recording_fields(library.recording(self.actor, recording_id)))

    @operation("deleteRecording", "Delete a recording for good", {204: None})
    def delete(self, request: Request, recording_id: UUID) -> Response:
        library.erase(self.actor, recording_id)
        return Response(status=204)


class LatestTranscriptView(TenantView):
    """GET the latest transcript of a recording as a file."""

    @operation("retrieveLatestTranscript", "The latest transcript as a file", {200: TRANSCRIPTS}, parameters=LAYOUT)
    def get(self, request: Request, recording_id: UUID, extension: str) -> HttpResponse | Response:
        latest = library.recording(self.actor, recording_id).latest
        if latest is None:
            raise Http404
        return _transcript(self.actor, request, latest, extension)


class TranscriptionsView(TenantView):
    """POST the options of another transcription of a recording, as JSON."""

    @operation(
        "transcribeAgain",
        "Transcribe a recording again",
        {201: TranscriptionBody},
        body={JSON: properties(**OPTION_FIELDS, required=[])},
        parameters=[IDEMPOTENCY_KEY],
    )
    def post(self, request: Request, recording_id: UUID) -> Response:
        call = calls.call_of(request._request)
        recording = library.recording(self.actor, recording_id)
        row = intake.again(self.actor, recording, _options(request.data), call)
        location = {"Location": f"/api/v1/transcriptions/{row.id}"}
        return Response(transcription_fields(row), 201, headers=location | calls.headers_of(call, row))


class TranscriptionView(TenantView):
    """GET one transcription."""

    @operation("retrieveTranscription", "One transcription", {200: TranscriptionBody})
    def get(self, request: Request, transcription_id: UUID) -> Response:
        return Response(transcription_fields(library.transcription(self.actor, transcription_id)))


class CancelView(TenantView):
    """POST to stop a transcription that waits or runs."""

    @operation("cancelTranscription", "Stop what waits or runs", {200: TranscriptionBody})
    def post(self, request: Request, transcription_id: UUID) -> Response:
        row, cancelled = library.cancel(self.actor, transcription_id)
        if not cancelled:
            return problem(409, "already_over", _("The transcription was over already: it is %s.") % row.status)
        return Response(transcription_fields(row))


class TranscriptView(TenantView):
    """GET one transcript as a file."""

    @operation("retrieveTranscript", "A transcript as a file", {200: TRANSCRIPTS}, parameters=LAYOUT)
    def get(self, request: Request, transcription_id: UUID, extension: str) -> HttpResponse | Response:
        return _transcript(self.actor, request, library.transcription(self.actor, transcription_id), extension)


def _transcript(actor: Actor, request: Request, row: Transcription, extension: str) -> HttpResponse | Response:
    """Raises Http404 for an unknown format, InvalidOption, and TextDeleted."""
    if extension not in exports.WRITERS:
        raise Http404
    if row.status != Status.COMPLETED:
        return problem(409, "not_completed", _("The transcription is not done: it is %s.") % row.status)
    layout = Layout.checked(request.query_params.get("max_line_length"), request.query_params.get("max_lines"))
    export = exports.render(row, extension, layout)
    reading.exported(actor, row, extension)
    return HttpResponse(export.body, content_type=export.content_type)


def _options(body: Any) -> TranscriptionOptions:
    """Raises InvalidOption."""
    if not isinstance(body, Mapping):
        raise InvalidOption("body", _("Send a JSON object."))
    return TranscriptionOptions.checked(
        model=_text(body, "model"),
        task=_text(body, "task") or "transcribe",
        language=_text(body, "language"),
        prompt=_text(body, "prompt"),
        temperature=_number(body, "temperature"),
        word_timestamps=_flag(body, "word_timestamps"),
        mode=_text(body, "mode"),
        hotwords=_text(body, "hotwords"),
        beam_size=_whole(body, "beam_size"),
    )


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise InvalidOption(name, _("“%(name)s” is a text.") % {"name": name})
    return value or ""


def _number(body: Mapping[str, Any], name: str) -> float:
    value: float | None = body.get(name)
    if value is not None and type(value) not in (int, float):
        raise InvalidOption(name, _("“%(name)s” is a number.") % {"name": name})
    return value or 0.0


def _whole(body: Mapping[str, Any], name: str) -> int:
    value: int | None = body.get(name)
    if value is not None and type(value) is not int:
        raise InvalidOption(name, _("“%(name)s” is a whole number.") % {"name": name})
    return 1 if value is None else value


def _flag(body: Mapping[str, Any], name: str) -> bool:
    value: bool | None = body.get(name)
    if value is not None and type(value) is not bool:
        raise InvalidOption(name, _("“%(name)s” is true or false.") % {"name": name})
    return bool(value)


def _page(rows: QuerySet[Recording], request: Request, view: TenantView) -> Response:
    pages = NewestFirst()
    page = pages.paginate_queryset(rows, request, view=view) or []
    return pages.get_paginated_response([recording_fields(row, with_place=False) for row in page])

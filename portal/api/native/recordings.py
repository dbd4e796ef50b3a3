"""Recordings for programs: sent, listed, looked at, transcribed again and deleted."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from django.urls import path
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api import call_headers
from portal.api.form_options import ignored_headers, sent_options
from portal.api.native import parameters
from portal.api.native.fetches import fetch_fields
from portal.api.native.operations import (
    FORM,
    IDEMPOTENCY_KEY,
    JSON,
    file_form,
    listing,
    operation,
)
from portal.api.native.pagination import PAGE, newest_first
from portal.api.native.parsing import parse_body
from portal.api.native.representations import recording_fields, transcription_fields
from portal.api.native.schemas.fetches import FetchBody
from portal.api.native.schemas.recordings import (
    RecordingBody,
    RecordingByUrl,
    RecordingChanges,
    RequestedOptions,
    TranscriptionBody,
)
from portal.api.native.tenant_view import TenantView
from portal.http.uploads import received
from transcription.errors import InvalidOption
from transcription.fetches import access
from transcription.folders import folders
from transcription.intake import accept
from transcription.intake.request import CallContext
from transcription.library import orders, recordings, renaming
from transcription.library.filters import CHECKED, NO_FOLDER, PEOPLE, PROGRAMS, TO_CHECK, Filter
from transcription.models import Recording, Status
from transcription.options.languages import language_code
from transcription.options.options import TranscriptionOptions

FOLDER = parameters.Id("folder", "Only those in this folder: its `id`, or `none` for those in none.", [NO_FOLDER])
SEARCH = parameters.Text("search", "Only those in whose name or text every word stands.")
STATUS = parameters.Choice("status", "Only those whose latest transcription is so.", Status.values)
BY = parameters.Choice("by", "Only those that people added, or programs, with a key.", [PEOPLE, PROGRAMS])
KEY = parameters.Id("key", "Only those that were added with this key: its `id`.")
OWNER = parameters.Text("owner", "Only those that this person added: the e-mail address.")
TAG = parameters.Text("tag", "Only those with this tag, or with all of several: names, with commas between them.")
SOURCE = parameters.Choice("source", "Only those that came so.", Recording.Source.values)
MODEL = parameters.Text("model", "Only those whose latest transcription is by this model.")
LANGUAGE = parameters.Text("language", "Only those whose latest transcription shows this language, such as `en`.")
PROOFREAD = parameters.Choice(
    "checked", "Only those whose latest text is not wholly checked by people, or is.", [TO_CHECK, CHECKED]
)
AFTER = parameters.DateTime("created_after", "Only those made then or later: date, time and zone.")
BEFORE = parameters.DateTime("created_before", "Only those made earlier: date, time and zone.")
FILTERS = (SEARCH, FOLDER, STATUS, TAG, BY, KEY, OWNER, SOURCE, MODEL, LANGUAGE, PROOFREAD, AFTER, BEFORE)
ORDER = parameters.Choice("order", "Newest first unless given.", list(orders.FIELDS))


class RecordingsView(TenantView):
    """POST a recording, as a file or by its URL; GET those of the tenant, newest first."""

    @operation(
        "listRecordings", "Recordings, newest first", {200: listing(RecordingBody)}, parameters=[*PAGE, *FILTERS, ORDER]
    )
    def get(self, request: Request) -> Response:
        """Raises InvalidOption."""
        order = ORDER.read(request) or orders.NEWEST
        rows = recordings.recordings(self.actor, filter_of(request), order).select_related("created_by")
        fields = partial(recording_fields, self.actor, with_place=False)
        return newest_first(rows, request, self, fields, orders.FIELDS[order])

    @operation(
        "createRecording",
        "Send a recording, or say where it is",
        {201: RecordingBody, 202: FetchBody},
        body={FORM: file_form(), JSON: RecordingByUrl},
        parameters=[IDEMPOTENCY_KEY],
        description="A file is answered with 201, a URL with 202: it is fetched soon.",
    )
    def post(self, request: Request) -> Response:
        self.actor.require("recordings.create")
        call = call_headers.call_of(request._request)
        if request._request.content_type == JSON:
            return self._by_url(parse_body(request, RecordingByUrl), call)
        upload = received(request._request)
        options = TranscriptionOptions.from_fields(sent_options(upload))
        folder = folders.chosen(self.actor, upload.field("folder"))
        row = accept.accept(self.actor, upload, options, "api", call, folder)
        headers = {"Location": f"/api/v1/recordings/{row.recording_id}"} | ignored_headers(upload.fields, "folder")
        return Response(
            recording_fields(self.actor, row.recording), 201, headers=headers | call_headers.headers_of(call, row)
        )

    def _by_url(self, body: RecordingByUrl, call: CallContext) -> Response:
        """Raises InvalidOption and Refused."""
        created = access.create(self.actor, body.url, body.name, body.options, call, body.folder)
        headers = {"Location": f"/api/v1/fetches/{created.fetch.id}"}
        if not created.is_new:
            headers["Idempotency-Replayed"] = "true"
        return Response(fetch_fields(created.fetch), 202, headers=headers)


class RecordingView(TenantView):
    """GET, PATCH or DELETE one recording. DELETE is for good."""

    @operation("retrieveRecording", "One recording", {200: RecordingBody})
    def get(self, request: Request, recording_id: UUID) -> Response:
        return Response(recording_fields(self.actor, recordings.recording(self.actor, recording_id)))

    @operation("renameRecording", "Rename a recording", {200: RecordingBody}, body={JSON: RecordingChanges})
    def patch(self, request: Request, recording_id: UUID) -> Response:
        """Raises InvalidOption."""
        self.actor.require(renaming.PERMISSION)
        changes = parse_body(request, RecordingChanges)
        renaming.rename(self.actor, recording_id, changes.name)
        return Response(recording_fields(self.actor, recordings.recording(self.actor, recording_id)))

    @operation("deleteRecording", "Delete a recording for good", {204: None})
    def delete(self, request: Request, recording_id: UUID) -> Response:
        recordings.erase(self.actor, recording_id)
        return Response(status=204)


class RecordingTranscriptionsView(TenantView):
    """GET the transcriptions of a recording, newest first; POST the options of another one, as JSON."""

    @operation(
        "listTranscriptions",
        "The transcriptions of a recording, newest first",
        {200: listing(TranscriptionBody)},
        parameters=PAGE,
    )
    def get(self, request: Request, recording_id: UUID) -> Response:
        rows = recordings.transcriptions(self.actor, recording_id)
        return newest_first(rows, request, self, partial(transcription_fields, self.actor, with_place=False))

    @operation(
        "transcribeAgain",
        "Transcribe a recording again",
        {201: TranscriptionBody},
        body={JSON: RequestedOptions},
        parameters=[IDEMPOTENCY_KEY],
    )
    def post(self, request: Request, recording_id: UUID) -> Response:
        call = call_headers.call_of(request._request)
        recording = recordings.recording(self.actor, recording_id)
        row = accept.transcribe_again(self.actor, recording, parse_body(request, RequestedOptions).options, call)
        location = {"Location": f"/api/v1/transcriptions/{row.id}"}
        return Response(
            transcription_fields(self.actor, row), 201, headers=location | call_headers.headers_of(call, row)
        )


def filter_of(request: Request) -> Filter:
    """Raises InvalidOption."""
    return Filter(
        search=SEARCH.read(request),
        folder=FOLDER.read(request),
        tag=TAG.read(request),
        status=STATUS.read(request),
        by=BY.read(request),
        key=KEY.read(request),
        owner=OWNER.read(request),
        source=SOURCE.read(request),
        model=MODEL.read(request),
        language=_language(LANGUAGE.read(request)),
        checked=PROOFREAD.read(request),
        created_after=AFTER.read(request),
        created_before=BEFORE.read(request),
    )


def _language(name: str) -> str:
    """Raises InvalidOption."""
    code = language_code(name) if name else ""
    if code is None:
        raise InvalidOption(LANGUAGE.name, _("“%(code)s” is not a language Whisper knows.") % {"code": name[:40]})
    return code


urls = [
    path("recordings", RecordingsView.as_view(), name="native_recordings"),
    path("recordings/<uuid:recording_id>", RecordingView.as_view(), name="native_recording"),
    path(
        "recordings/<uuid:recording_id>/transcriptions",
        RecordingTranscriptionsView.as_view(),
        name="native_transcriptions",
    ),
]

"""Resumable uploads: tus 1.0.0, and what became of an upload as JSON."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.form_options import ignored_headers
from portal.api.native.operations import (
    FILE,
    IDEMPOTENCY_KEY,
    OFFSET,
    UPLOAD_LENGTH,
    UPLOAD_METADATA,
    VERSION,
    listing,
    operation,
)
from portal.api.native.pagination import PAGE, newest_first
from portal.api.native.representations import rfc3339
from portal.api.native.schemas.uploads import UploadBody
from portal.api.native.tenant_view import TenantView
from portal.api.problems import problem
from portal.http import tus_headers
from portal.http.statuses import status_of
from portal.http.tus import AlreadyAccepted, Chunk, ChunkRefused, chunk_of, plan_of
from tenants.access import Actor
from transcription.uploads import acceptance, access, creation, files
from transcription.uploads.models import Upload

NO_OPTIONS = ("filename", "name", "source", "folder")
OTHERS = ("GET", "OPTIONS")  # not of the protocol, or asked before it is agreed upon


class TusView(TenantView):
    """Answers with the protocol's headers, refusals too."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Raises Refused: 412 and 400."""
        super().initial(request, *args, **kwargs)
        if request.method not in OTHERS:
            tus_headers.check_version(_headers(request))
            tus_headers.check_extensions(_headers(request))

    def get_permissions(self) -> Any:
        """Lets anybody ask with OPTIONS what is spoken here: that is nobody's secret."""
        return [] if self.request.method == "OPTIONS" else super().get_permissions()

    def check_throttles(self, request: Request) -> None:
        if isinstance(request.user, Actor):
            super().check_throttles(request)

    def options(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        actor = request.user
        most = creation.largest(actor.tenant) if isinstance(actor, Actor) else settings.UPLOAD_BYTES_LIMIT
        offered = {
            "Tus-Version": tus_headers.VERSION,
            "Tus-Extension": tus_headers.EXTENSIONS,
            "Tus-Max-Size": str(most),
        }
        return Response(status=204, headers=offered)

    def handle_exception(self, exc: Exception) -> Response:
        """Adds the offset to go on at to the refusal of a chunk."""
        if isinstance(exc, AlreadyAccepted) and exc.is_at_end:
            return Response(status=204, headers=_position(exc.upload, exc.offset))
        response = super().handle_exception(exc)
        if isinstance(exc, AlreadyAccepted):
            for name, value in _position(exc.upload, exc.offset).items():
                response[name] = value
        elif isinstance(exc, ChunkRefused):
            response["Upload-Offset"] = str(exc.offset)
        return response

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        response["Tus-Resumable"] = tus_headers.VERSION
        response["Cache-Control"] = "no-store"
        if response.status_code == 412:
            response["Tus-Version"] = tus_headers.VERSION
        return response


class UploadsView(TusView):
    """POST begins an upload, with its first bytes or without; GET lists those of the last days, newest first."""

    @operation(
        "listUploads", "The uploads of the last days, newest first", {200: listing(UploadBody)}, parameters=[*PAGE]
    )
    def get(self, request: Request) -> Response:
        return newest_first(access.uploads(self.actor), request, self, upload_fields)

    @operation(
        "createUpload",
        "Begin a resumable upload (tus 1.0)",
        {201: None},
        parameters=[VERSION, UPLOAD_LENGTH, UPLOAD_METADATA, IDEMPOTENCY_KEY],
        description="`Location` is where its bytes go with PATCH. The metadata holds `filename` and the options.",
    )
    def post(self, request: Request) -> Response:
        self.actor.require("recordings.create")
        if tus_headers.is_chunk(_headers(request)):
            chunk = chunk_of(request._request)
            return _advanced(chunk, 201, _created(chunk.upload))
        row = creation.open_on_disk(self.actor, plan_of(self.actor, _headers(request)))
        return Response(status=201, headers=_created(row) | _position(row, 0))


class UploadView(TusView):
    """HEAD asks for the offset, PATCH goes on there, DELETE forgets it; GET says what became of it."""

    @operation("retrieveUploadOffset", "How many bytes have come", {200: None}, parameters=[VERSION])
    def head(self, request: Request, upload_id: UUID) -> Response:
        row = access.upload(self.actor, upload_id, Upload.Way.TUS)
        offset = access.offset(row)
        about = {"Upload-Length": str(row.length)} | ({"Upload-Metadata": row.metadata} if row.metadata else {})
        return Response(status=200, headers=about | _position(row, offset))

    @operation(
        "appendUpload",
        "Go on at an offset",
        {204: None},
        body={"application/offset+octet-stream": FILE},
        parameters=[VERSION, OFFSET],
    )
    def patch(self, request: Request, upload_id: UUID) -> Response:
        self.actor.require("recordings.create")
        return _advanced(chunk_of(request._request), 204, {})

    @operation("deleteUpload", "Forget an upload", {204: None}, parameters=[VERSION])
    def delete(self, request: Request, upload_id: UUID) -> Response:
        access.terminate(self.actor, upload_id, Upload.Way.TUS)
        return Response(status=204)

    @operation("retrieveUpload", "What became of an upload", {200: UploadBody})
    def get(self, request: Request, upload_id: UUID) -> Response:
        return Response(upload_fields(access.upload(self.actor, upload_id)))


def _advanced(chunk: Chunk, status: int, headers: dict[str, str]) -> Response:
    """Answers with what has come; after the last byte with what became of it, a problem if intake refuses."""
    row = chunk.upload
    if chunk.slot.is_whole:
        acceptance.settle_under_lock(row, chunk.slot)
        row.refresh_from_db()
    headers = headers | _position(row, chunk.slot.size)
    if row.state != Upload.State.REFUSED:
        return Response(status=status, headers=headers)
    response = problem(**_problem(row))
    for name, value in headers.items():
        response[name] = value
    return response


def _created(row: Upload) -> dict[str, str]:
    """Returns headers that tell where an upload is, and which of its metadata changes nothing."""
    sent = tus_headers.metadata(row.metadata)
    return {"Location": f"/api/v1/uploads/{row.id}"} | ignored_headers(sent, *NO_OPTIONS)


def _position(row: Upload, offset: int) -> dict[str, str]:
    """Returns headers that tell how far an upload is.

    `Upload-State` and `Upload-Recording` are our own, not tus': they tell what became of the bytes.
    """
    expires = access.expiry(row)
    recording = {"Upload-Recording": f"/api/v1/recordings/{row.recording_id}"} if row.recording_id else {}
    about = {"Upload-Offset": str(offset), "Upload-State": row.state}
    return about | recording | (tus_headers.expires(expires) if expires else {})


def upload_fields(row: Upload) -> UploadBody:
    """Returns an upload's fields. `offset` is null where the list of parts tells what has come."""
    expires = access.expiry(row)
    return {
        "id": str(row.id),
        "way": row.way,
        "state": row.state,
        "name": row.name,
        "folder": str(row.folder_id) if row.folder_id else None,
        "length": row.length,
        "offset": _offset(row),
        "created_at": row.created_at.isoformat(),
        "expires_at": rfc3339(expires),
        "recording": str(row.recording_id) if row.recording_id else None,
        "transcription": str(row.transcription_id) if row.transcription_id else None,
        "problem": _problem(row) if row.problem else None,
    }


def _problem(row: Upload) -> dict[str, Any]:
    return {"status": status_of(row.problem["code"]), **row.problem}


def _offset(row: Upload) -> int | None:
    if row.state != Upload.State.OPEN:
        return row.length
    return files.size(row.id) if row.is_on_disk else None


def _headers(request: Request) -> dict[str, str]:
    return {name.lower(): value for name, value in request._request.headers.items()}


urls = [
    path("uploads", UploadsView.as_view(), name="native_uploads"),
    path("uploads/<uuid:upload_id>", UploadView.as_view(), name="native_upload"),
]

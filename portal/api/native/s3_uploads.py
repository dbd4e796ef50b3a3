"""Uploads straight to S3: this server hands out URLs for parts and is told when all are there."""

from __future__ import annotations

from uuid import UUID

from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.native.operations import IDEMPOTENCY_KEY, JSON, operation
from portal.api.native.parsing import parse_body
from portal.api.native.schemas.uploads import (
    MultipartBody,
    MultipartPartsBody,
    NewMultipartUpload,
    Part,
    PartUrl,
    PartUrlsBody,
    WantedParts,
)
from portal.api.native.tenant_view import TenantView
from portal.api.native.uploads import upload_fields
from portal.http.tus import source_of
from transcription.folders.folders import ADD
from transcription.intake import idempotency
from transcription.uploads import access, bucket, creation
from transcription.uploads.creation import Plan
from transcription.uploads.models import Upload


class MultipartsView(TenantView):
    """POST a file's name and length, and the options, as JSON."""

    @operation(
        "createMultipartUpload",
        "Begin an upload straight to S3",
        {201: MultipartBody},
        body={JSON: NewMultipartUpload},
        parameters=[IDEMPOTENCY_KEY],
    )
    def post(self, request: Request) -> Response:
        new = parse_body(request, NewMultipartUpload)
        plan = Plan(
            name=new.name,
            length=new.length,
            options=new.model_dump(exclude_unset=True),
            folder=new.folder,
            source=source_of(self.actor, new.source),
            idempotency_key=idempotency.checked_key(request.headers.get("Idempotency-Key")),
        )
        row = creation.open_in_bucket(self.actor, plan)
        return Response(_fields(row), 201, headers={"Location": f"/api/v1/uploads/multipart/{row.id}"})


class MultipartView(TenantView):
    """GET says which parts are there; DELETE forgets it."""

    @operation("retrieveMultipartUpload", "Which parts are there", {200: MultipartPartsBody})
    def get(self, request: Request, upload_id: UUID) -> Response:
        row = access.upload(self.actor, upload_id, Upload.Way.S3)
        if row.state != Upload.State.OPEN:
            return Response(_fields(row))
        there, missing = access.missing_parts(row)
        listed = [Part(number=part.number, size=part.size, etag=part.etag) for part in there]
        return Response(MultipartPartsBody(**_fields(row), parts=listed, missing=missing))

    @operation("deleteMultipartUpload", "Forget it", {204: None})
    def delete(self, request: Request, upload_id: UUID) -> Response:
        access.terminate(self.actor, upload_id, Upload.Way.S3)
        return Response(status=204)


class PartUrlsView(TenantView):
    """POST the numbers of parts, as JSON, for URLs that take them."""

    @operation(
        "createPartUrls",
        "URLs that take parts",
        {200: PartUrlsBody},
        body={JSON: WantedParts},
    )
    def post(self, request: Request, upload_id: UUID) -> Response:
        row = access.upload(self.actor, upload_id, Upload.Way.S3, ADD)
        wanted = {part.number: part.sha256 for part in parse_body(request, WantedParts).parts}
        urls = access.part_urls(row, wanted)
        parts = [PartUrl(number=n, url=url, headers=_part_headers(row, n, wanted[n])) for n, url in urls.items()]
        return Response(PartUrlsBody(expires_in=bucket.URL_SECONDS, parts=parts))


class CompleteView(TenantView):
    """POST when all parts are there: 202, and the upload's GET says what became of it."""

    @operation("completeMultipartUpload", "All parts are there", {202: MultipartBody})
    def post(self, request: Request, upload_id: UUID) -> Response:
        row = access.upload(self.actor, upload_id, Upload.Way.S3, ADD)
        access.complete(row)
        return Response(_fields(row), 202, headers={"Location": f"/api/v1/uploads/{row.id}"})


def _fields(row: Upload) -> MultipartBody:
    return MultipartBody(**upload_fields(row), part_bytes=row.part_bytes, part_count=access.part_count(row))


def _part_headers(row: Upload, number: int, sha256: str) -> dict[str, str]:
    checksum = {"x-amz-checksum-sha256": sha256} if sha256 else {}
    return {"Content-Length": str(access.part_size(row, number))} | checksum


urls = [
    path("uploads/multipart", MultipartsView.as_view(), name="native_multiparts"),
    path("uploads/multipart/<uuid:upload_id>", MultipartView.as_view(), name="native_multipart"),
    path("uploads/multipart/<uuid:upload_id>/urls", PartUrlsView.as_view(), name="native_part_urls"),
    path("uploads/multipart/<uuid:upload_id>/complete", CompleteView.as_view(), name="native_complete"),
]

"""Uploads straight to S3: this server hands out URLs for parts and is told when all are there."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.native import options, parsing
from portal.api.native.schemas.uploads import MultipartBody, MultipartPartsBody, Part, PartUrl, PartUrlsBody
from portal.api.native.tenant_view import TenantView
from portal.api.native.uploads import upload_fields
from portal.api.openapi.operations import (
    IDEMPOTENCY_KEY,
    JSON,
    OPTION_FIELDS,
    array,
    counted,
    operation,
    properties,
    text,
)
from portal.http.tus import source_of
from transcription.errors import InvalidOption
from transcription.intake import idempotency
from transcription.uploads import access, bucket, creation
from transcription.uploads.creation import Plan
from transcription.uploads.models import Upload

SHA256_BYTES = 32
LENGTHS = range(2**53)  # what every JSON library counts exactly
NEW = properties(
    name=text(),
    length=counted(0),
    source=text(description="`microphone` for what the portal's page records."),
    **OPTION_FIELDS,
    required=["name", "length"],
)
PART = properties(number=counted(1), sha256=text(), required=["number"])
WANTED = properties(parts=array({"oneOf": [counted(1), PART]}), required=["parts"])


class MultipartsView(TenantView):
    """POST a file's name and length, and the options, as JSON."""

    @operation(
        "createMultipartUpload",
        "Begin an upload straight to S3",
        {201: MultipartBody},
        body={JSON: NEW},
        parameters=[IDEMPOTENCY_KEY],
    )
    def post(self, request: Request) -> Response:
        body = parsing.json_object(request, NEW)
        plan = Plan(
            name=parsing.text(body, "name") or "",
            length=parsing.needed("length", parsing.whole_among(body, "length", LENGTHS)),
            options={name: _written(value) for name, value in options.given(body).items()},
            source=source_of(self.actor, parsing.text(body, "source") or ""),
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
        body={JSON: WANTED},
    )
    def post(self, request: Request, upload_id: UUID) -> Response:
        row = access.upload(self.actor, upload_id, Upload.Way.S3)
        wanted = _wanted(parsing.json_object(request, WANTED))
        urls = access.part_urls(row, wanted)
        parts = [PartUrl(number=n, url=url, headers=_part_headers(row, n, wanted[n])) for n, url in urls.items()]
        return Response(PartUrlsBody(expires_in=bucket.URL_SECONDS, parts=parts))


class CompleteView(TenantView):
    """POST when all parts are there: 202, and the upload's GET says what became of it."""

    @operation("completeMultipartUpload", "All parts are there", {202: MultipartBody})
    def post(self, request: Request, upload_id: UUID) -> Response:
        row = access.upload(self.actor, upload_id, Upload.Way.S3)
        access.complete(row)
        return Response(_fields(row), 202, headers={"Location": f"/api/v1/uploads/{row.id}"})


def _fields(row: Upload) -> MultipartBody:
    return MultipartBody(**upload_fields(row), part_bytes=row.part_bytes, part_count=access.part_count(row))


def _part_headers(row: Upload, number: int, sha256: str) -> dict[str, str]:
    checksum = {"x-amz-checksum-sha256": sha256} if sha256 else {}
    return {"Content-Length": str(access.part_size(row, number))} | checksum


def _wanted(body: parsing.Body) -> dict[int, str]:
    """`{"parts": [1, {"number": 2, "sha256": "…"}]}` by number. Raises InvalidOption."""
    listed = body.get("parts")
    if not isinstance(listed, list) or not listed:
        raise InvalidOption("parts", _("Send `parts`: a list of numbers, or of objects with `number` and `sha256`."))
    return dict(_part(one) for one in listed)


def _part(one: Any) -> tuple[int, str]:
    """Raises InvalidOption."""
    part = parsing.known_fields(one if isinstance(one, Mapping) else {"number": one}, PART)
    number, sha256 = parsing.needed("number", parsing.whole(part, "number")), parsing.text(part, "sha256")
    if sha256 and not _is_sha256(sha256):
        raise InvalidOption("parts", _("A part's `sha256` is its SHA-256 digest in base64."))
    return number, sha256 or ""


def _written(value: str | float | bool) -> str:
    """An option as a form would send it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_sha256(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == SHA256_BYTES
    except (binascii.Error, ValueError):
        return False

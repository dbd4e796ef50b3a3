"""Resumable uploads; lengths in bytes."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, TypedDict

from django.utils.translation import gettext as _
from pydantic import AfterValidator, BeforeValidator, Field

from portal.api.native.parsing import RequestBody, Text, documented
from portal.api.native.schemas.recordings import Folder, OptionFields
from transcription.errors import InvalidOption

SHA256_BYTES = 32


def _checked_sha256(text: str) -> str:
    try:
        is_digest = not text or len(base64.b64decode(text, validate=True)) == SHA256_BYTES
    except (binascii.Error, ValueError):
        is_digest = False
    if not is_digest:
        raise InvalidOption("parts", _("A part's `sha256` is its SHA-256 digest in base64."))
    return text


def _named(part: Any) -> Any:
    """Lets a number alone stand for the part of that number."""
    return part if isinstance(part, dict) else {"number": part}


def _or_number(schema: dict[str, Any]) -> None:
    schema["items"] = {"oneOf": [{"type": "integer", "minimum": 1}, schema["items"]]}


class NewMultipartUpload(OptionFields):
    """A file to be sent straight to S3. `length` is in bytes."""

    name: Text = ""
    length: Annotated[int, Field(ge=0, le=2**53 - 1)]
    folder: Folder = ""
    source: Annotated[Text, documented(description="`microphone` for what the portal's page records.")] = ""


class WantedPart(RequestBody):
    """A part to send, and its SHA-256 digest in base64 where S3 is to check it."""

    number: Annotated[int, documented(minimum=1)]
    sha256: Annotated[Text, AfterValidator(_checked_sha256)] = ""


class WantedParts(RequestBody):
    """The parts to send, as in `{"parts": [1, {"number": 2, "sha256": "…"}]}`."""

    parts: Annotated[
        list[Annotated[WantedPart, BeforeValidator(_named)]], Field(min_length=1, json_schema_extra=_or_number)
    ]


class UploadBody(TypedDict):
    """A resumable upload; bytes. `offset` is null where the parts' list says what has come."""

    id: str
    way: str
    state: str
    name: str
    folder: str | None
    length: int
    offset: int | None
    created_at: str
    expires_at: str | None
    recording: str | None
    transcription: str | None
    problem: dict[str, Any] | None


class MultipartBody(UploadBody):
    """One that goes straight to S3 in parts."""

    part_bytes: int
    part_count: int


class Part(TypedDict):
    """A part that S3 has."""

    number: int
    size: int
    etag: str


class MultipartPartsBody(MultipartBody, total=False):
    """With the parts that are there, and the numbers of those that are missing, while it is open."""

    parts: list[Part]
    missing: list[int]


class PartUrl(TypedDict):
    """Where to PUT a part, with these very headers."""

    number: int
    url: str
    headers: dict[str, str]


class PartUrlsBody(TypedDict):
    """`expires_in` is in seconds."""

    expires_in: int
    parts: list[PartUrl]

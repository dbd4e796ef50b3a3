"""Resumable uploads; lengths in bytes."""

from __future__ import annotations

from typing import Any, TypedDict


class UploadBody(TypedDict):
    """A resumable upload; bytes. `offset` is null where the parts' list says what has come."""

    id: str
    way: str
    state: str
    name: str
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

"""Multipart uploads straight to S3: the part of the storage's API that Django's STORAGES does not have.

Clients get presigned URLs, one for each part, that bind its number, its length and, where they name it, its SHA-256.
What has arrived is what S3 lists, whatever the client says. Functions that call S3 raise StorageUnavailable if it does
not answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.files.storage import storages

from transcription.media import storage

MEBIBYTE = 1024 * 1024
SMALLEST_PART = 8 * MEBIBYTE
USUAL_PARTS = 1000
URL_SECONDS = 3600
MISSING = {"404", "NoSuchKey", "NoSuchUpload", "NotFound"}


@dataclass(frozen=True)
class Part:
    """A part as S3 lists it. `size` in bytes."""

    number: int
    size: int
    etag: str


def part_bytes(length: int) -> int:
    """Returns the size of every part but the last: 8 MiB, more if there were over a thousand (S3 allows 10,000)."""
    share = -(-length // USUAL_PARTS)
    return max(SMALLEST_PART, -(-share // MEBIBYTE) * MEBIBYTE)


@storage.translate_errors()
def begin(key: str) -> str:
    """Begins a multipart upload. Returns S3's id of it."""
    return str(storage.client().create_multipart_upload(Bucket=_bucket(), Key=key)["UploadId"])


@storage.translate_errors()
def part_url(key: str, multipart_id: str, number: int, size: int, sha256: str = "") -> str:
    """Returns a URL for one PUT of exactly `size` bytes within URL_SECONDS.

    With `sha256` (base64), the client sends it as `x-amz-checksum-sha256`, and S3 refuses any other content.
    """
    what = {"Key": key, "UploadId": multipart_id, "PartNumber": number, "ContentLength": size}
    checksum = {"ChecksumSHA256": sha256} if sha256 else {}
    return storage.presigned("upload_part", URL_SECONDS, **what, **checksum)


def parts(key: str, multipart_id: str) -> Iterator[Part]:
    """Yields the parts that have arrived, in order; none of a multipart upload that is over."""
    client = storage.client()
    pages = client.get_paginator("list_parts").paginate(Bucket=_bucket(), Key=key, UploadId=multipart_id)
    with storage.translate_errors():
        try:
            for page in pages:
                for part in page.get("Parts", ()):
                    yield Part(part["PartNumber"], part["Size"], part["ETag"])
        except client.exceptions.ClientError as error:
            if not _is_missing(error):
                raise


@storage.translate_errors()
def complete(key: str, multipart_id: str, whole: list[Part]) -> None:
    """Joins the parts to one object, unless that is done already. Raises FileNotFoundError if they are gone."""
    listed = [{"PartNumber": part.number, "ETag": part.etag} for part in whole]
    client = storage.client()
    try:
        client.complete_multipart_upload(
            Bucket=_bucket(), Key=key, UploadId=multipart_id, MultipartUpload={"Parts": listed}
        )
    except client.exceptions.ClientError as error:
        if not _is_missing(error):
            raise
        if object_bytes(key) is None:
            raise FileNotFoundError(key) from error


@storage.translate_errors()
def object_bytes(key: str) -> int | None:
    """Returns the size of the object at `key`; None if there is none."""
    client = storage.client()
    try:
        return int(client.head_object(Bucket=_bucket(), Key=key)["ContentLength"])
    except client.exceptions.ClientError as error:
        if not _is_missing(error):
            raise
        return None


@storage.translate_errors()
def abort(key: str) -> None:
    """Aborts every multipart upload of `key`, and deletes the object."""
    client, bucket = storage.client(), _bucket()
    for page in client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=key):
        for one in page.get("Uploads", ()):
            try:
                client.abort_multipart_upload(Bucket=bucket, Key=one["Key"], UploadId=one["UploadId"])
            except client.exceptions.ClientError as error:
                if not _is_missing(error):
                    raise
    client.delete_object(Bucket=bucket, Key=key)


@storage.translate_errors()
def drop_strays(known: set[str], begun_before: datetime) -> int:
    """Deletes what was begun before that time under a tenant's incoming prefix, for no upload whose id is `known`.

    Returns how many objects and multipart uploads it deleted.
    """
    client, dropped = storage.client(), 0
    for page in client.get_paginator("list_multipart_uploads").paginate(Bucket=_bucket(), Prefix="tenants/"):
        for one in page.get("Uploads", ()):
            if _is_stray(one["Key"], one["Initiated"], known, begun_before):
                abort(one["Key"])
                dropped += 1
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=_bucket(), Prefix="tenants/"):
        for one in page.get("Contents", ()):
            if _is_stray(one["Key"], one["LastModified"], known, begun_before):
                abort(one["Key"])
                dropped += 1
    return dropped


def _is_stray(key: str, moment: datetime, known: set[str], begun_before: datetime) -> bool:
    """Returns whether an old upload is in no row. Storage itself uses multipart uploads, too, but under other keys."""
    folder, _slash, name = key.rpartition("/")
    return folder.endswith("/incoming") and name not in known and moment < begun_before


def _is_missing(error: Any) -> bool:
    """Takes a ClientError. Without a bucket Amazon's library is not loaded, so the type is not named here."""
    return error.response.get("Error", {}).get("Code") in MISSING


def _bucket() -> str:
    store: Any = storages["default"]
    return str(store.bucket_name)

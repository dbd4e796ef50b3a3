"""S3 buckets that tenants name: botocore signs and parses, and each request goes through `exchange`.

botocore is imported where a bucket is used: it is slow to load, and most installations have none.
"""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from django.utils.translation import gettext as _

from transcription.outbound.deadline import Deadline
from transcription.outbound.errors import OutboundError
from transcription.outbound.exchange import exchange
from transcription.outbound.target import BUCKETS, parse_target

SECONDS = 60.0
IDLE_SECONDS = 15.0
MOST_BYTES = 4 * 1024 * 1024
"""Of an answer: lists of objects, and errors. The objects themselves come by `download`."""
SIGNED_SECONDS = 900
LISTING_SECONDS = 10.0
LISTED = 500
PAGE, MOST_PAGES = 1000, 10
LONGEST_KEY = 1024
LARGEST = 5 * 1024**4
"""Of an object in S3, in bytes, as the length of its key."""
ETAG = re.compile(r"[\x21\x23-\x7e]{1,128}")


@dataclass(frozen=True)
class Bucket:
    """Where a bucket is, and who opens it."""

    endpoint: str
    name: str
    region: str
    key_id: str
    secret: str = field(repr=False)


@dataclass(frozen=True)
class StoredObject:
    """An object in a bucket; `etag` changes with its content."""

    key: str
    size: int
    etag: str


def put(bucket: Bucket, key: str, body: bytes, content_type: str) -> None:
    """Stores an object in the place of whatever is there. Raises OutboundError."""
    with _client(bucket) as client:
        client.put_object(Bucket=bucket.name, Key=key, Body=body, ContentType=content_type)


def objects(bucket: Bucket, prefix: str, is_wanted: Callable[[StoredObject], bool]) -> list[StoredObject]:
    """Returns up to LISTED wanted objects right below a prefix, within the first MOST_PAGES. Raises OutboundError."""
    found: list[StoredObject] = []
    asked: dict[str, Any] = {"Bucket": bucket.name, "Prefix": prefix, "Delimiter": "/", "MaxKeys": PAGE}
    with _client(bucket, LISTING_SECONDS) as client:
        for _page in range(MOST_PAGES):
            answer = client.list_objects_v2(**asked)
            found += filter(is_wanted, map(_stored, answer.get("Contents", [])))
            if len(found) >= LISTED or not answer.get("NextContinuationToken"):
                break
            asked["ContinuationToken"] = answer["NextContinuationToken"]
    return found[:LISTED]


def try_out(bucket: Bucket, key: str) -> None:
    """Stores an empty object, and deletes it again, unless these credentials may not. Raises OutboundError."""
    with _client(bucket, LISTING_SECONDS) as client:
        _put_for_a_moment(client, bucket, key)


def try_moving(bucket: Bucket, key: str, prefix: str, target: str) -> None:
    """Does all that moving objects from below a prefix takes, with an empty one. Raises OutboundError.

    Nothing is stored below the prefix, where it would be found: S3 deletes there what there isn't, as far as one may.
    """
    with _client(bucket, LISTING_SECONDS) as client:
        client.list_objects_v2(Bucket=bucket.name, Prefix=prefix, MaxKeys=1)
        _put_for_a_moment(client, bucket, key, target)
        client.delete_object(Bucket=bucket.name, Key=prefix + key.rpartition("/")[2])


def _put_for_a_moment(client: Any, bucket: Bucket, key: str, target: str = "") -> None:
    """Stores an empty object, which is copied to the target, if there is one, and read from there."""
    from botocore.exceptions import ClientError

    client.put_object(Bucket=bucket.name, Key=key, Body=b"", ContentType="text/plain")
    if target:
        client.copy_object(Bucket=bucket.name, Key=target, CopySource={"Bucket": bucket.name, "Key": key})
        client.get_object(Bucket=bucket.name, Key=target)
    for written in filter(None, (key, target)):
        with suppress(ClientError):
            client.delete_object(Bucket=bucket.name, Key=written)


def etag_of(bucket: Bucket, key: str) -> str | None:
    """Returns an object's ETag; None if there is none. Raises OutboundError."""
    try:
        with _client(bucket) as client:
            return _etag_now(client, bucket, key)
    except OutboundError as error:
        if error.status == 404:
            return None
        raise


def move(bucket: Bucket, key: str, target: str, etag: str) -> None:
    """Moves an object, if it is still the one with this ETag; one that replaces it meanwhile stays.

    Deleting by If-Match is not asked for: many services that speak S3 know nothing of it. Raises OutboundError.
    """
    with _client(bucket) as client:
        source = {"Bucket": bucket.name, "Key": key}
        client.copy_object(Bucket=bucket.name, Key=target, CopySource=source, CopySourceIfMatch=etag)
        if _etag_now(client, bucket, key) == etag:
            client.delete_object(Bucket=bucket.name, Key=key)


def signed_url(bucket: Bucket, key: str) -> str:
    """Returns a URL from which `download` gets an object. Raises OutboundError."""
    with _client(bucket) as client:
        parameters = {"Bucket": bucket.name, "Key": key}
        return str(client.generate_presigned_url("get_object", Params=parameters, ExpiresIn=SIGNED_SECONDS))


def _etag_now(client: Any, bucket: Bucket, key: str) -> str:
    return str(client.head_object(Bucket=bucket.name, Key=key).get("ETag", "")).strip('"')


def _stored(listed: dict[str, Any]) -> StoredObject:
    """Raises ValueError for what no object of S3 is: whoever runs the bucket may list anything."""
    one = StoredObject(listed.get("Key", ""), listed.get("Size", -1), listed.get("ETag", "").strip('"'))
    if len(one.key.encode()) > LONGEST_KEY or not 0 <= one.size <= LARGEST or not ETAG.fullmatch(one.etag):
        raise ValueError(one)
    return one


@cache
def _loader() -> Any:
    """Returns what reads botocore's descriptions of S3, and keeps them: to parse them takes a tenth of a second."""
    from botocore.loaders import create_loader

    return create_loader()


@contextmanager
def _client(bucket: Bucket, seconds: float = SECONDS) -> Iterator[Any]:
    """Yields botocore's client for a bucket, for so many seconds; its errors become OutboundError."""
    import botocore.session
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    signing = Config(
        signature_version="s3v4",
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        retries={"total_max_attempts": 1},
        s3={"addressing_style": "path"},
    )
    try:
        session = botocore.session.Session()
        session.register_component("data_loader", _loader())
        client = session.create_client(
            "s3",
            region_name=bucket.region,
            endpoint_url=bucket.endpoint,
            aws_access_key_id=bucket.key_id,
            aws_secret_access_key=bucket.secret,
            config=signing,
        )
        end = time.monotonic() + seconds
        client.meta.events.register("before-send.s3", lambda request, **_more: _send(request, end - time.monotonic()))
        yield client
    except ClientError as error:
        answered = error.response.get("Error", {})
        code = str(answered.get("Code", ""))[:100]
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        message = _("The bucket answered “%(code)s”: %(reason)s") % {"code": code, "reason": _reason(answered)}
        raise OutboundError("bucket", message, may_succeed_later=True, status=status) from error
    except (BotoCoreError, ValueError) as error:
        raise OutboundError("bucket", _("The bucket’s answer could not be read.")) from error


def _reason(answered: dict[str, Any]) -> str:
    return str(answered.get("Message", "")).replace("\x00", "")[:300]


def _send(request: Any, seconds: float) -> Any:
    """Sends a request that botocore has signed, in botocore's place. Raises OutboundError."""
    from botocore.awsrequest import AWSResponse

    target = parse_target(request.url, BUCKETS)
    headers = {name: _text(value) for name, value in request.headers.items() if name.lower() != "expect"}
    body = request.body.read() if hasattr(request.body, "read") else request.body
    with (
        Deadline(max(seconds, 0.0)) as deadline,
        exchange(request.method, target, deadline, IDLE_SECONDS, headers, body or None) as answer,
    ):
        content = b""
        while chunk := answer.read1(MOST_BYTES + 1 - len(content)):
            content += chunk
            if len(content) > MOST_BYTES:
                raise OutboundError("too_large", _("The answer of %(host)s is too large.") % {"host": target.host})
        deadline.left()
        return AWSResponse(request.url, answer.status, dict(answer.headers), _Raw(content))


class _Raw(io.BytesIO):
    """A body as botocore reads it."""

    def stream(self, **_options: Any) -> Iterator[bytes]:
        yield self.read()


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def checked_endpoint(url: str) -> str:
    """Returns an endpoint without its path. Raises OutboundError."""
    target = parse_target(url, BUCKETS)
    if target.path not in ("", "/"):
        raise OutboundError("refused_url", _("Enter the address of the service alone, without a path."))
    return target.url.rstrip("/")

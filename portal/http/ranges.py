"""Sends stored media, whole or the byte range that is asked for (RFC 9110, section 14)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from urllib.parse import quote

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import close_old_connections
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from transcription.media import storage

CHUNK_BYTES = 256 * 1024
ONE_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def ranged(request: HttpRequest, key: str, size: int, content_type: str) -> HttpResponseBase:
    """Sends an object of the storage or the requested range of its `size` bytes, or 416 for a range outside of it."""
    if settings.ACCEL_MEDIA and storage.is_local():
        return _by_nginx(key, content_type)
    wanted = ONE_RANGE.fullmatch(request.headers.get("Range", ""))
    first, last = _bounds(wanted, size) if wanted else (0, size - 1)
    if first > last:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    response = StreamingHttpResponse(_chunks(key, first, last), content_type=content_type)
    response["Accept-Ranges"] = "bytes"
    response["Content-Length"] = str(last - first + 1)
    _protect(response)
    if wanted:
        response.status_code = 206
        response["Content-Range"] = f"bytes {first}-{last}/{size}"
    return response


def _by_nginx(key: str, content_type: str) -> HttpResponse:
    """Lets nginx send the file, or the range that was asked of it: the location of docker/nginx.conf is internal."""
    response = HttpResponse(content_type=content_type, headers={"X-Accel-Redirect": settings.ACCEL_MEDIA + quote(key)})
    _protect(response)
    return response


def _protect(response: HttpResponseBase) -> None:
    """What strangers recorded runs nothing in a browser, and stays in no cache."""
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response["Cache-Control"] = "private, no-store"


def _bounds(wanted: re.Match[str], size: int) -> tuple[int, int]:
    """Returns the first and last byte; first > last if the range is empty."""
    first, last = wanted[1], wanted[2]
    if not first:
        return (max(0, size - int(last)), size - 1) if last and int(last) else (size, size - 1)
    return int(first), min(int(last), size - 1) if last else size - 1


async def _chunks(key: str, first: int, last: int) -> AsyncIterator[bytes]:
    await sync_to_async(close_old_connections)()  # the transfer may take long
    file = await sync_to_async(storage.open_range)(key, first, last)
    try:
        left = last - first + 1
        while left > 0 and (chunk := await sync_to_async(file.read)(min(CHUNK_BYTES, left))):
            left -= len(chunk)
            yield chunk
    finally:
        file.close()

"""Downloads a recording from a URL to a file."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from email.message import Message
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from urllib3.response import HTTPResponse

from transcription.outbound.deadline import Deadline
from transcription.outbound.errors import OutboundError
from transcription.outbound.exchange import exchange
from transcription.outbound.requests import retry_after
from transcription.outbound.target import DOWNLOADS, parse_target

MAX_REDIRECTS = 5
REDIRECTS = {301, 302, 303, 307, 308}
RETRYABLE_STATUSES = {408, 425, 429}
IDLE_SECONDS = 20.0
CHUNK = 64 * 1024
SLOW_SECONDS = 30.0
MIN_BYTES_PER_SECOND = 16 * 1024
"""Over any SLOW_SECONDS; slower downloads would occupy a place that others wait for."""


@dataclass(frozen=True)
class Downloaded:
    """A file on the local disk. `file_name` is the server's name for it, which may be empty.

    `seconds` is how long it took to arrive, `etag` the server's mark of the content, which may be empty.
    """

    file_name: str
    path: Path
    size: int
    sha256: str
    seconds: float = 0.0
    etag: str = ""


def download(
    url: str,
    path: Path,
    most_bytes: int,
    seconds: float,
    on_progress: Callable[[int], None],
    purpose: str = DOWNLOADS,
    etag: str = "",
) -> Downloaded:
    """Downloads to `path`, following at most MAX_REDIRECTS redirects, each checked like the URL itself.

    `on_progress` is called with the bytes so far, and may raise to cancel. Where the file has another `etag`, servers
    answer 412; but not all know of it. Raises OutboundError.
    """
    begin = time.monotonic()
    headers = {"Accept": "*/*"} | ({"If-Match": f'"{etag}"'} if etag else {})
    with Deadline(seconds) as deadline:
        for _hop in range(MAX_REDIRECTS + 1):
            target = parse_target(url, purpose)
            with exchange("GET", target, deadline, IDLE_SECONDS, headers) as answer:
                if answer.status not in REDIRECTS:
                    file = _save_body(answer, target.url, path, _Limits(most_bytes, deadline, on_progress))
                    return replace(file, seconds=time.monotonic() - begin)
                url = urljoin(target.url, answer.headers.get("Location", ""))
    message = _("More than %(n)d redirects followed each other.") % {"n": MAX_REDIRECTS}
    raise OutboundError("too_many_redirects", message)


@dataclass(frozen=True)
class _Limits:
    most_bytes: int
    deadline: Deadline
    on_progress: Callable[[int], None]


def _save_body(answer: HTTPResponse, url: str, path: Path, limits: _Limits) -> Downloaded:
    if answer.status != 200:
        again = answer.status in RETRYABLE_STATUSES or answer.status >= 500
        message = _("The remote server answered %(status)d instead of the file.") % {"status": answer.status}
        raise OutboundError("status", message, again, answer.status, retry_after(answer))
    length = answer.headers.get("Content-Length", "")
    if length.isdigit() and int(length) > limits.most_bytes:
        raise _too_large(limits.most_bytes)
    size, digest, speed = 0, hashlib.sha256(), MinimumSpeed()
    with writing(path) as write:
        while chunk := answer.read1(CHUNK, decode_content=True):
            size += len(chunk)
            if size > limits.most_bytes:
                raise _too_large(limits.most_bytes)
            limits.deadline.left()
            speed.check(size)
            write(chunk)
            digest.update(chunk)
            limits.on_progress(size)
    limits.deadline.left()  # after the deadline, a truncated body looks like a complete one
    etag = answer.headers.get("ETag", "").removeprefix("W/").strip('"')
    return Downloaded(_name(answer, url), path, size, digest.hexdigest(), etag=etag)


@contextmanager
def writing(path: Path) -> Iterator[Callable[[bytes], None]]:
    """Yields a function that writes to the file and reports a full disk as no_room."""
    no_room = OutboundError("no_room", _("The server has no room for this file. Try later."), may_succeed_later=True)

    def write(chunk: bytes) -> None:
        try:
            file.write(chunk)
        except OSError as error:
            raise no_room from error

    try:
        file = path.open("wb", buffering=0)
    except OSError as error:
        raise no_room from error
    with file:
        yield write


class MinimumSpeed:
    """Checks the speed of a download."""

    def __init__(self) -> None:
        self._since, self._size = time.monotonic(), 0

    def check(self, size: int) -> None:
        """Raises OutboundError if the last SLOW_SECONDS were slower than MIN_BYTES_PER_SECOND."""
        now = time.monotonic()
        if now - self._since < SLOW_SECONDS:
            return
        if size - self._size < MIN_BYTES_PER_SECOND * (now - self._since):
            raise OutboundError("too_slow", _("The file came too slowly. Try again, or upload it."), True)
        self._since, self._size = now, size


def _name(answer: HTTPResponse, url: str) -> str:
    header = Message()
    header["Content-Disposition"] = answer.headers.get("Content-Disposition", "").replace("\n", " ")
    return header.get_filename() or unquote(urlsplit(url).path.rsplit("/", 1)[-1])


def _too_large(limit: int) -> OutboundError:
    message = _("The file is larger than the limit of %(limit)s.") % {"limit": filesizeformat(limit)}
    return OutboundError("too_large", message)

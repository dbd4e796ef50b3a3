"""Downloads a file over HTTP and gives it its name once its length and SHA-256 are verified."""

from __future__ import annotations

import hashlib
import http.client
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO, Any

Progress = Callable[[str, int, int], None]
"""Called with a file's name, the bytes done, and all bytes (0 if unknown)."""

CHUNK_BYTES = 1 << 20
TIMEOUT_SECONDS = 8.0
ATTEMPTS = 20
"""How often a download is resumed whose connection breaks, as long as every attempt brings more bytes."""

PART = ".part"
SHA256 = re.compile(r"[0-9a-f]{64}")
RANGE = re.compile(r"bytes (\d+)-")
NETWORK_ERRORS = (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError, ssl.SSLError)
"""OSErrors that come from the network, not from the disk."""


class DownloadError(Exception):
    """The file could not be downloaded, or its contents are wrong."""


class Interrupted(DownloadError):
    """The connection broke, or its bytes don't continue those of the earlier attempt: another attempt may succeed."""


class _RecordSha256(urllib.request.HTTPRedirectHandler):
    """Records the SHA-256 in a redirect: Hugging Face sends that of a large file when it redirects to its store."""

    sha256: str | None = None

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        self.sha256 = self.sha256 or sha256_in(headers)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def sha256_in(headers: http.client.HTTPMessage) -> str | None:
    """Returns the SHA-256 in a response's `X-Linked-Etag`, or None if it has none."""
    found = SHA256.fullmatch(str(headers.get("X-Linked-Etag", "")).strip('"'))
    return found.group() if found else None


def fetch(url: str, file: Path, progress: Progress, sha256: str | None = None) -> None:
    """Downloads to `file`, which appears under its name when its length and SHA-256 are verified.

    sha256: the expected sum; None for the one that the server names, if it names one. With a sum, the download
    continues what an earlier attempt left in `file.part`; without one, parts of different files could be joined.
    Raises DownloadError with a one-line message, or OSError if the disk fails.
    """
    part = file.with_name(file.name + PART)
    for attempt in range(1, ATTEMPTS + 1):
        before = _size(part)
        try:
            _attempt(url, part, partial(progress, file.name), sha256)
            break
        except Interrupted:
            if attempt == ATTEMPTS or _size(part) == before:
                raise
    part.rename(file)


def copy(stream: IO[bytes], file: Path, progress: Callable[[int], None], begin: int = 0) -> str:
    """Writes the stream to the file after its first `begin` bytes and returns the SHA-256 of the whole file.

    progress: called with the bytes written so far, `begin` included.
    """
    digest, done = hashlib.sha256(), begin
    with file.open("r+b" if begin else "wb") as target:
        while begin > 0:
            head = target.read(min(begin, CHUNK_BYTES))
            digest.update(head)
            begin -= len(head)
        while chunk := stream.read(CHUNK_BYTES):
            target.write(chunk)
            digest.update(chunk)
            done += len(chunk)
            progress(done)
        target.truncate()
    return digest.hexdigest()


def _attempt(url: str, part: Path, progress: Callable[[int, int], None], sha256: str | None) -> None:
    """Downloads the rest of `part`. Raises Interrupted if the connection breaks, DownloadError for a wrong sum."""
    try:
        answer, begin, named = _open(url, _size(part), sha256)
        with answer:
            length = int(answer.headers.get("Content-Length", 0))
            total = begin + length if length else 0
            found = copy(answer, part, lambda done: progress(done, total), begin)
    except NETWORK_ERRORS as error:
        raise Interrupted(str(getattr(error, "reason", error) or error)) from error
    except OSError:
        part.unlink(missing_ok=True)
        raise
    size = _size(part)
    if total and size != total:
        raise Interrupted(f"{part.stem} ended after {size} of {total} bytes")
    if named and found != named:
        part.unlink()
        kind = Interrupted if begin else DownloadError
        raise kind(f"{part.stem} has SHA-256 {found}, not {named}")


def _open(url: str, held: int, sha256: str | None) -> tuple[Any, int, str | None]:
    """Returns the response, the offset in the file at which its body begins, and the SHA-256 of the whole file.

    held: bytes that an earlier attempt has downloaded. The offset is `held` if the server continues from there, else 0.
    """
    redirects = _RecordSha256()
    opener = urllib.request.build_opener(redirects)
    opener.addheaders += [("Range", f"bytes={held}-")] if held else []
    try:
        answer = opener.open(url, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        if not (held and error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE):
            raise
        return _open(url, 0, sha256)
    named = sha256 or redirects.sha256 or sha256_in(answer.headers)
    if answer.status != http.HTTPStatus.PARTIAL_CONTENT:
        return answer, 0, named
    found = RANGE.match(answer.headers.get("Content-Range", ""))
    if named and found and int(found.group(1)) == held:
        return answer, held, named
    answer.close()
    return _open(url, 0, sha256)


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0

"""One file over HTTP, checked, under its name only when it is whole."""

from __future__ import annotations

import hashlib
import http.client
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO

Progress = Callable[[str, int, int], None]
"""Called with a file's name, the bytes done, and all bytes (0 if unknown)."""

CHUNK_BYTES = 1 << 20
TIMEOUT_SECONDS = 8.0
SHA256 = re.compile(r"[0-9a-f]{64}")


class DownloadError(Exception):
    """The file could not be had, or is not what it should be."""


class _RememberSum(urllib.request.HTTPRedirectHandler):
    """Hugging Face names a large file's SHA-256 in the answer that redirects to its store."""

    sum: str | None = None

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        self.sum = self.sum or sum_in(headers)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def sum_in(headers: http.client.HTTPMessage) -> str | None:
    """The SHA-256 that an answer's `X-Linked-Etag` names, if it does."""
    found = SHA256.fullmatch(str(headers.get("X-Linked-Etag", "")).strip('"'))
    return found.group() if found else None


def fetch(url: str, file: Path, progress: Progress, sha256: str | None = None) -> None:
    """Download to `file`, whose name appears only when its length and SHA-256 are right.

    sha256: the sum it must have; without it the one that the server names, if it does.
    Raises DownloadError in one line; OSError where the disk is at fault.
    """
    partial = file.with_name(file.name + ".part")
    memory = _RememberSum()
    try:
        with urllib.request.build_opener(memory).open(url, timeout=TIMEOUT_SECONDS) as answer:
            total = int(answer.headers.get("Content-Length", 0))
            found = _copy(answer, partial, lambda done: progress(file.name, done, total))
            expected = sha256 or memory.sum or sum_in(answer.headers)
        _check(partial, total, found, expected)
        partial.rename(file)
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError) as error:
        raise DownloadError(str(getattr(error, "reason", error) or error)) from error
    except ConnectionError as error:
        raise DownloadError(str(error)) from error
    finally:
        partial.unlink(missing_ok=True)


def _copy(answer: IO[bytes], file: Path, progress: Callable[[int], None]) -> str:
    """Write the answer to the file; its SHA-256."""
    digest, done = hashlib.sha256(), 0
    with file.open("wb") as stream:
        while chunk := answer.read(CHUNK_BYTES):
            stream.write(chunk)
            digest.update(chunk)
            done += len(chunk)
            progress(done)
    return digest.hexdigest()


def _check(file: Path, total: int, found: str, expected: str | None) -> None:
    size = file.stat().st_size
    if total and size != total:
        raise DownloadError(f"{file.stem} ended after {size} of {total} bytes")
    if expected and found != expected:
        raise DownloadError(f"{file.stem} has SHA-256 {found}, not {expected}")

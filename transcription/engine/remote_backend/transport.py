"""One recording to an OpenAI-compatible server, and what it answers."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import urllib3

from transcription.engine.backend import ServerAway
from transcription.engine.types import EngineError

REQUEST_SECONDS = 120.0
"""How long an answer may take: a server that decodes on a CPU, with others before us."""

MAX_ANSWER_BYTES = 8 << 20
TRIES = 3
"""How often a window is sent that the server fails on; a server that is away is waited for without end."""

RETRY_SECONDS = 1.0
LONGEST_REFUSAL = 300
HELP: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: "check REMOTE_ENGINE_KEY",
    HTTPStatus.FORBIDDEN: "check what REMOTE_ENGINE_KEY may do there",
    HTTPStatus.NOT_FOUND: "check REMOTE_ENGINE_URL, and the models that it offers",
}
BUSY = (
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)

Fields = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Server:
    """url: of the API, as in http://10.0.0.5:8000/v1. key: sent as a bearer token, if there is one."""

    url: str
    key: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise EngineError("REMOTE_ENGINE_URL is no address of an API, such as http://10.0.0.5:8000/v1")
        if parts.username or parts.password or parts.query:
            raise EngineError(
                "REMOTE_ENGINE_URL holds a name, a password or a query: put the key into REMOTE_ENGINE_KEY"
            )

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    def transcribe(self, endpoint: str, fields: Fields, wav: bytes) -> dict[str, Any]:
        """Returns the answer in verbose_json.

        Raises ServerAway where the server cannot be reached, is busy, or does not take the key or the model, and
        EngineError where it fails on this recording.
        """
        for attempt in range(1, TRIES + 1):
            status, retry_after, content = self._answer(endpoint, fields, wav)
            if status == HTTPStatus.OK:
                return self._parsed(content)
            self._raise_if_away(status, retry_after, content)
            if status < HTTPStatus.INTERNAL_SERVER_ERROR or attempt == TRIES:
                break
            time.sleep(RETRY_SECONDS * attempt)
        raise EngineError(f"{self.host} failed with {status}: {_refusal(content)}")

    def _answer(self, endpoint: str, fields: Fields, wav: bytes) -> tuple[int, str, bytes]:
        """Returns an answer's status, its Retry-After and its body. Redirections, which would carry the key
        elsewhere, are not followed."""
        url = f"{self.url.rstrip('/')}/audio/{endpoint}"
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        parts: list[tuple[str, str | tuple[str, bytes, str]]] = [*fields, ("file", ("window.wav", wav, "audio/wav"))]
        try:
            with urllib3.PoolManager(timeout=REQUEST_SECONDS, retries=False) as pool:
                answer = pool.request("POST", url, fields=parts, headers=headers, redirect=False, preload_content=False)
                return answer.status, answer.headers.get("Retry-After", ""), answer.read(MAX_ANSWER_BYTES + 1)
        except (OSError, urllib3.exceptions.HTTPError) as error:
            raise ServerAway(f"{self.host} cannot be reached: {error or repr(error)}", broke=True) from error

    def _parsed(self, content: bytes) -> dict[str, Any]:
        try:
            found = json.loads(content)
        except ValueError:
            found = None
        if not isinstance(found, dict) or not isinstance(found.get("text"), str):
            raise EngineError(f"{self.host} answered something else than verbose_json: does it speak OpenAI's API?")
        return found

    def _raise_if_away(self, status: int, retry_after: str, content: bytes) -> None:
        if status in BUSY:
            raise ServerAway(f"{self.host} is busy: {status} {_refusal(content)}", _seconds(retry_after))
        if status in HELP or status < HTTPStatus.BAD_REQUEST:
            advice = HELP.get(status, "name the address that it redirects to")
            raise ServerAway(f"{self.host} refuses with {status}: {_refusal(content)}; {advice}")


def _refusal(content: bytes) -> str:
    """Returns the server's error message in one line."""
    text = content.decode(errors="replace")
    try:
        found = json.loads(text)
        text = found["error"]["message"] if isinstance(found.get("error"), dict) else found.get("message", text)
    except (ValueError, AttributeError, KeyError):
        pass
    return " ".join(str(text).split())[:LONGEST_REFUSAL]


def _seconds(retry_after: str) -> float | None:
    return float(retry_after) if retry_after.isascii() and retry_after.isdigit() else None

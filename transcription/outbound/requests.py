"""`post` and `check`, for webhooks; `download` has a file of its own."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from urllib3.response import HTTPResponse

from transcription.outbound import connecting
from transcription.outbound.deadline import Deadline
from transcription.outbound.errors import OutboundError
from transcription.outbound.exchange import exchange
from transcription.outbound.target import WEBHOOKS, parse_target

POST_SECONDS = 15.0
IDLE_SECONDS = 10.0
CHECK_SECONDS = 5.0
BODY_BYTES = 1024
LONGEST_RETRY_AFTER = 3600


CHECKS_AT_ONCE = 2
_checks = threading.BoundedSemaphore(CHECKS_AT_ONCE)


@dataclass(frozen=True)
class Answer:
    """What came back: the first BODY_BYTES of the body, and the seconds after which to come back, 0 for none."""

    status: int
    body: bytes
    retry_after: int = 0


def check(url: str) -> str:
    """The URL as a webhook may be sent to it, after asking the DNS; nothing is connected. Raises OutboundError.

    With CHECKS_AT_ONCE under way the DNS is not asked: a slow one must not hold a web process's threads. Whatever
    is sent later is judged again, in any case.
    """
    target = parse_target(url, WEBHOOKS)
    if not _checks.acquire(blocking=False):
        return target.url
    try:
        with Deadline(CHECK_SECONDS) as deadline:
            connecting.addresses(target, deadline)
    finally:
        _checks.release()
    return target.url


def post(url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    """Sends `body` and returns any answer, a redirect too: none is followed. Raises OutboundError."""
    target = parse_target(url, WEBHOOKS)
    with (
        Deadline(POST_SECONDS) as deadline,
        exchange("POST", target, deadline, IDLE_SECONDS, headers, body) as answer,
    ):
        return Answer(answer.status, _beginning(answer), retry_after(answer))


def retry_after(answer: HTTPResponse) -> int:
    """Seconds, an hour at most; a date counts as none."""
    text = answer.headers.get("Retry-After", "")
    return min(int(text), LONGEST_RETRY_AFTER) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _beginning(answer: HTTPResponse) -> bytes:
    """The status decides; a body that breaks off is no reason to send again."""
    pieces: list[bytes] = []
    try:
        while (size := sum(map(len, pieces))) < BODY_BYTES and (piece := answer.read1(BODY_BYTES - size)):
            pieces.append(piece)
    except Exception:  # noqa: S110 - nobody waits for the rest
        pass
    return b"".join(pieces)


__all__ = ["Answer", "OutboundError", "check", "post"]

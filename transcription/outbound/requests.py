"""Sends webhooks and checks their URLs."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
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
    """A response with the first BODY_BYTES of its body. `retry_after` is in seconds, 0 if not given."""

    status: int
    body: bytes
    retry_after: int = 0


def check(url: str) -> str:
    """Returns the normalised URL of a webhook after resolving its host, without connecting. Raises OutboundError.

    With CHECKS_AT_ONCE checks running, the host is not resolved, so that slow DNS can't block a web process's threads.
    Each `post` checks the addresses again.
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
    """Sends `body` and returns the response; follows no redirect. Raises OutboundError."""
    target = parse_target(url, WEBHOOKS)
    with (
        Deadline(POST_SECONDS) as deadline,
        exchange("POST", target, deadline, IDLE_SECONDS, headers, body) as answer,
    ):
        return Answer(answer.status, _body_start(answer), retry_after(answer))


def retry_after(answer: HTTPResponse) -> int:
    """Returns the seconds of Retry-After, at most an hour; 0 for a date."""
    text = answer.headers.get("Retry-After", "")
    return min(int(text), LONGEST_RETRY_AFTER) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _body_start(answer: HTTPResponse) -> bytes:
    """Reads up to BODY_BYTES and ignores errors, since only the status decides about success."""
    body = b""
    with suppress(Exception):
        while len(body) < BODY_BYTES and (chunk := answer.read1(BODY_BYTES - len(body))):
            body += chunk
    return body


__all__ = ["Answer", "OutboundError", "check", "post"]

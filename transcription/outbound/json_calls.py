"""Asks OpenID and SAML providers, whose addresses tenants name: answers of a bounded size, without redirects."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlencode

from django.utils.translation import gettext as _

from transcription.outbound.deadline import Deadline
from transcription.outbound.errors import OutboundError
from transcription.outbound.exchange import exchange
from transcription.outbound.target import SIGN_IN, parse_target

SECONDS = 8.0
MOST_BYTES = 256 * 1024
ENDS = ContextVar("ENDS", default=math.inf)
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Gives all calls of the block so many seconds together, or fewer where a block around it says so."""
    token = ENDS.set(min(time.monotonic() + seconds, ENDS.get()))
    try:
        yield
    finally:
        ENDS.reset(token)


def get_bytes(url: str, accept: str) -> bytes:
    """Returns what is at a URL. Raises OutboundError."""
    return _call("GET", url, {"Accept": accept})[1]


def get_json(url: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Returns the JSON object at a URL. Raises OutboundError."""
    return _object(*_call("GET", url, {"Accept": JSON, **(headers or {})}))


def post_form(url: str, fields: Mapping[str, str], headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Returns the JSON object that answers a form. Raises OutboundError."""
    body = urlencode(fields).encode("ascii")
    return _object(*_call("POST", url, {"Accept": JSON, "Content-Type": FORM, **(headers or {})}, body))


def _call(method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> tuple[str, bytes]:
    """Returns the host and what it answers."""
    target = parse_target(url, SIGN_IN)
    seconds = min(SECONDS, max(0.01, ENDS.get() - time.monotonic()))
    with Deadline(seconds) as deadline, exchange(method, target, deadline, seconds, headers, body) as answer:
        if answer.status != 200:
            message = _("%(host)s answered %(status)d.") % {"host": target.host, "status": answer.status}
            raise OutboundError("status", message, answer.status >= 500, answer.status)
        text = b""
        while chunk := answer.read1(MOST_BYTES + 1 - len(text)):
            text += chunk
            if len(text) > MOST_BYTES:
                raise OutboundError("too_large", _("The answer of %(host)s is too large.") % {"host": target.host})
        deadline.left()
    return target.host, text


def _object(host: str, text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise OutboundError("broken", _("What %(host)s answered is not JSON.") % {"host": host})
    return found

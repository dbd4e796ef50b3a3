"""Reads the headers of a request that creates a transcription, and writes those of its answer."""

from __future__ import annotations

from django.http import HttpRequest

from transcription.intake import idempotency
from transcription.intake.request import CallContext
from transcription.models import Transcription


def call_of(request: HttpRequest, waits: bool = False) -> CallContext:
    """Raises InvalidOption for an idempotency key that is none."""
    key = idempotency.checked_key(request.headers.get("Idempotency-Key"))
    return CallContext(endpoint=request.path, key=key, waits=waits)


def headers_of(call: CallContext, row: Transcription) -> dict[str, str]:
    """Returns `Idempotency-Replayed` if an earlier call answers, `X-Reused` if an earlier result does."""
    replayed = {"Idempotency-Replayed": "true"} if call.key and not call.created(row) else {}
    return replayed | ({"X-Reused": "true"} if row.is_reused else {})

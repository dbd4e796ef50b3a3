"""Recordings that are fetched from a URL."""

from __future__ import annotations

from typing import TypedDict

from portal.api.native.schemas.failures import Failure


class FetchBody(TypedDict):
    """A recording that is fetched from a URL, which is told without its query. `error` is the last attempt's."""

    id: str
    status: str
    url: str
    name: str | None
    folder: str | None
    created_at: str
    finished_at: str | None
    bytes_received: int
    attempts: int
    next_attempt_at: str | None
    error: Failure | None
    recording: str | None
    transcription: str | None

"""How much of the quota is gone, and what was charged."""

from __future__ import annotations

from typing import Any, TypedDict


class AudioSeconds(TypedDict):
    """Of this month's quota."""

    used: int
    reserved: int
    limit: int
    left: int
    resets_at: str


class StoredBytes(TypedDict):
    """Of the storage."""

    used: int
    limit: int
    left: int


class RequestsPerMinute(TypedDict):
    """Of the API."""

    limit: int
    remaining: int | None


class Day(TypedDict):
    """Audio seconds that were charged on a day (UTC)."""

    day: str
    seconds: int


class UsageBody(TypedDict):
    """This month's usage and limits."""

    month: str
    audio_seconds: AudioSeconds
    stored_bytes: StoredBytes
    requests_per_minute: RequestsPerMinute
    days: list[Day]


class LedgerEntryBody(TypedDict):
    """One charge; audio seconds."""

    id: str
    created_at: str
    month: str
    kind: str
    transcription: str | None
    seconds: int
    description: str
    member: str | None
    key: dict[str, Any] | None

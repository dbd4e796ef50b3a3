"""What a search finds."""

from __future__ import annotations

from typing import TypedDict


class FoundPart(TypedDict):
    """A piece of text, and whether it is what was looked for."""

    text: str
    match: bool


class FoundRecording(TypedDict):
    """Which recording it is."""

    id: str
    name: str
    created_at: str
    duration_seconds: float


class FoundSegment(TypedDict):
    """A segment in which something was found, seconds in the recording."""

    segment: int
    start: float
    end: float
    parts: list[FoundPart]


class HitBody(TypedDict):
    """A recording in whose name or text every word stands."""

    recording: FoundRecording
    transcription: str | None
    name: list[FoundPart]
    matches: list[FoundSegment]


class HitsBody(TypedDict):
    """A page of hits, newest first."""

    next: str | None
    results: list[HitBody]

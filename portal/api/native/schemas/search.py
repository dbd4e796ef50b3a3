"""Results of a search."""

from __future__ import annotations

from typing import TypedDict


class Fragment(TypedDict):
    """A piece of a text, and whether it matches the query."""

    text: str
    match: bool


class FoundRecording(TypedDict):
    """Which recording it is."""

    id: str
    name: str
    created_at: str
    duration_seconds: float


class FoundSegment(TypedDict):
    """A segment that matches; times are seconds in the recording."""

    segment: int
    start: float
    end: float
    parts: list[Fragment]


class HitBody(TypedDict):
    """A recording in whose name or text every word stands."""

    recording: FoundRecording
    transcription: str | None
    name: list[Fragment]
    matches: list[FoundSegment]


class HitsBody(TypedDict):
    """A page of hits, newest first."""

    next: str | None
    results: list[HitBody]

"""A transcript's segments, and what was corrected."""

from __future__ import annotations

from typing import Any, TypedDict


class SegmentBody(TypedDict):
    """A timed piece of a transcript, seconds in the recording. `etag` is what If-Match names."""

    index: int
    start: float
    end: float
    text: str
    words: list[dict[str, Any]]
    revision: int
    etag: str


class SegmentsBody(TypedDict):
    """Segments from a place on; `next` is where more are."""

    transcription: str
    revision: int
    total: int
    next: str | None
    segments: list[SegmentBody]


class SomeSegmentsBody(TypedDict):
    """Those that a change put there."""

    segments: list[SegmentBody]


class RevisionBody(TypedDict):
    """A correction: from segment `first` on, `added` segments stand where those of `before` stood."""

    number: int
    action: str
    made_at: str
    made_by: str | None
    first: int
    added: int
    before: list[dict[str, Any]]


class RevisionsBody(TypedDict):
    """The newest first; `next` is where older ones are."""

    next: str | None
    results: list[RevisionBody]

"""What is struck out of a transcript."""

from __future__ import annotations

from typing import TypedDict

from portal.api.native.parsing import Count, RequestBody
from portal.api.native.schemas.segments import End, Start


class Striking(RequestBody):
    """Words, from the character `position` of segment `first` to before `until` of segment `last`, or seconds.

    Without `position` and `until` all of the segments, without `last` the first one. `struck` is false to give back.
    """

    first: Count | None = None
    position: Count = 0
    last: Count | None = None
    until: Count | None = None
    start: Start = None
    end: End = None
    struck: bool = True


class StrikeBody(TypedDict):
    """Struck seconds, and the segments from and to in which words are struck there; null where there is no text."""

    start: float
    end: float
    first: int | None
    last: int | None


class StrikesBody(TypedDict):
    """All that is struck of a recording, in order."""

    transcription: str
    revision: int
    results: list[StrikeBody]

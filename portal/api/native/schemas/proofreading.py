"""What is to be checked of a transcript, and what was."""

from __future__ import annotations

from typing import Annotated, TypedDict

from portal.api.native.parsing import Count, RequestBody, documented
from transcription.transcripts.checks import CheckedFields
from transcription.transcripts.doubts import Kind


class Checking(RequestBody):
    """Characters of a segment's text, from `first` to before `last`; without them the whole text."""

    first: Count = 0
    last: Annotated[Count | None, documented(type="integer", minimum=1)] = None


class PassageBody(TypedDict):
    """A part of a transcript that nobody has checked yet, seconds in the recording.

    `segment` is its index, null where there is speech without text; `first` and `last` are characters of its text.
    `chance` is how likely a word of it is wrong, on average; `doubts` are what speaks against the segment.
    """

    segment: int | None
    first: int
    last: int
    start: float
    end: float
    text: str
    words: int
    chance: float
    doubts: list[Kind]
    etag: str | None


class ProofreadingBody(TypedDict):
    """What was checked, and the passages that were not, the likeliest to be wrong first, of which `total` are left."""

    transcription: str
    revision: int
    checked: CheckedFields
    total: int
    passages: list[PassageBody]

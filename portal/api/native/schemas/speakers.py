"""The speakers of a transcript."""

from __future__ import annotations

from typing import Annotated, TypedDict

from pydantic import AfterValidator

from portal.api.native.parsing import Count, RequestBody, Text, documented
from transcription.models.speaker import LONGEST_NAME
from transcription.transcripts.speakers import checked_name

Name = Annotated[Text, AfterValidator(checked_name), documented(maxLength=LONGEST_NAME)]


class SpeakerChanges(RequestBody):
    """The name of a speaker; an empty one takes it away."""

    name: Name


class SpeakerMerger(RequestBody):
    """The number of the speaker that gets all segments."""

    into: Count


class SpeakerAssignment(RequestBody):
    """Segments, from `first` to `last`, and the number of the speaker that gets them.

    Without one nobody does, or with `new` a speaker that is added for them.
    """

    first: Count
    last: Count
    speaker: Count | None = None
    new: bool = False


class SpeakerBody(TypedDict):
    """A speaker. `label` is the name, or “Speaker 1” and so on; `seconds` and `segments` are theirs.

    `recognised`: the name is that of a member who has enrolled this voice, and nobody has changed it.
    """

    speaker: int
    name: str
    label: str
    recognised: bool
    seconds: float
    segments: int


class SpeakersBody(TypedDict):
    """The speakers of a transcript, by number, that have segments."""

    transcription: str
    revision: int
    results: list[SpeakerBody]

"""A transcript's segments, and what was corrected."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, ClassVar, TypedDict

from pydantic import AfterValidator, BeforeValidator

from portal.api.native.parsing import Count, RequestBody, Text, documented
from transcription.transcripts.doubts import Kind
from transcription.transcripts.substitution import LONGEST_FIND, LONGEST_REPLACEMENT
from transcription.transcripts.validation import MAX_SEGMENTS, checked_shift, checked_text, checked_time, too_many

SegmentText = Annotated[Text, AfterValidator(checked_text)]
Start = Annotated[Any, BeforeValidator(partial(checked_time, param="start")), documented(type="number", minimum=0)]
End = Annotated[Any, BeforeValidator(partial(checked_time, param="end")), documented(type="number", minimum=0)]

WORDS = ("first", "position", "last", "until")
SECONDS = ("start", "end")
"""The fields that name a passage: its words, or its seconds in the recording."""


def _not_too_many(segments: Any) -> Any:
    if isinstance(segments, list) and len(segments) > MAX_SEGMENTS:
        raise too_many("segments")
    return segments


class SegmentChanges(RequestBody):
    """The corrections of a segment."""

    knows_null: ClassVar[bool] = True
    text: SegmentText = ""
    start: Start = None
    end: End = None


class NewSegment(RequestBody):
    """A segment, in the shape in which GET answers it, so that it can be sent back."""

    knows_null: ClassVar[bool] = True
    text: SegmentText
    start: Start
    end: End
    index: Annotated[Any, documented(type="integer", minimum=0, readOnly=True)] = None
    words: Annotated[Any, documented(type="array", items={"type": "object"}, readOnly=True)] = None
    doubts: Annotated[Any, documented(type="array", items={"type": "object"}, readOnly=True)] = None
    speaker: Annotated[Any, documented(type="integer", minimum=0, readOnly=True)] = None
    overlap: Annotated[Any, documented(type="boolean", readOnly=True)] = None
    checks: Annotated[Any, documented(type="array", items={"type": "object"}, readOnly=True)] = None
    revision: Annotated[Any, documented(type="integer", minimum=0, readOnly=True)] = None
    etag: Annotated[Any, documented(type="string", readOnly=True)] = None


class NewSegments(RequestBody):
    """All segments of a transcript."""

    segments: Annotated[list[NewSegment], BeforeValidator(_not_too_many)]


class Division(RequestBody):
    """The character of a segment's text before which it is divided, and the seconds in the recording."""

    position: Count
    at: Annotated[float, AfterValidator(partial(checked_time, param="at"))] | None = None


class Shift(RequestBody):
    """By how many seconds segments are moved, those from `first` to `last`; all of them without these."""

    seconds: Annotated[Any, BeforeValidator(checked_shift), documented(type="number")]
    first: Count = 0
    last: Count | None = None


class SkippedHit(RequestBody):
    """A hit that is left as it is, as GET names it."""

    segment: Count
    position: Count


class Substitution(RequestBody):
    """What is found and what it becomes, but for hits to `skip`."""

    find: Annotated[Text, documented(minLength=1, maxLength=LONGEST_FIND)]
    replacement: Annotated[Text, documented(maxLength=LONGEST_REPLACEMENT)]
    match_case: bool = False
    whole_words: bool = False
    skip: list[SkippedHit] = []


class Reversion(RequestBody):
    """The number of the revision to go back to, and whether what was struck since is given back, and the other way."""

    revision: Count
    strikes: bool = False


class DoubtBody(TypedDict):
    """A reason to listen again, with its figure.

    unlikely: the average log-probability. repetition: how often the same words follow one another. no_speech: the
    probability that nobody speaks, to Whisper. no_voice: the share of its time in which the voice detector hears
    nobody. guess: the temperature. stock_phrase: the share of the text.
    """

    kind: Kind
    figure: float


class CheckBody(TypedDict):
    """Characters of a segment's text, from `first` to before `last`, that somebody found right, or wrote.

    `by` is a person's or a key's name, null once they were deleted.
    """

    first: int
    last: int
    by: str | None
    at: str


class SegmentBody(TypedDict):
    """A timed piece of a transcript, seconds in the recording. `etag` is what If-Match names.

    `speaker` is the number of one of the transcription's speakers, null where it is not known whose it is; with
    `overlap` somebody else speaks at the same time. A word has its `probability`, the mean of its tokens', and
    their `joint_probability`, unless a correction put it there.
    """

    index: int
    start: float
    end: float
    text: str
    words: list[dict[str, Any]]
    doubts: list[DoubtBody]
    speaker: int | None
    overlap: bool
    checks: list[CheckBody]
    revision: int
    etag: str


class SpanBody(TypedDict):
    """Seconds in the recording, from and to."""

    start: float
    end: float


class TextHitBody(TypedDict):
    """A place in a segment's text, counted in characters, and the text beside it."""

    segment: int
    position: int
    start: float
    before: str
    found: str
    after: str


class TextHitsBody(TypedDict):
    """The first hits, and how many there are in all."""

    transcription: str
    revision: int
    total: int
    results: list[TextHitBody]


class SubstitutedBody(TypedDict):
    """The revision, and how many hits were replaced."""

    transcription: str
    revision: int
    replaced: int


class SegmentsBody(TypedDict):
    """Segments from a place on; `next` is where more are.

    `missed_speech` is where, in all of the recording, the engine was sure of speech and there is no text.
    """

    transcription: str
    revision: int
    total: int
    next: str | None
    missed_speech: list[SpanBody]
    segments: list[SegmentBody]


class SomeSegmentsBody(TypedDict):
    """Those that a change put there."""

    segments: list[SegmentBody]


class RevisionBody(TypedDict):
    """A correction: from segment `first` on, `added` segments stand where those of `before` stood.

    `changed` are former segments, by index, that were changed in their places while their number stayed; `speakers`
    the former speakers of segments, by index, that were given to another one; `names` the former names of speakers, by
    number; `struck` and `unstruck` the seconds, from and to, that it struck out or gave back.
    """

    number: int
    action: str
    made_at: str
    made_by: str | None
    first: int
    added: int
    before: list[dict[str, Any]]
    changed: dict[str, dict[str, Any]]
    speakers: dict[str, int | None]
    names: dict[str, str]
    struck: list[list[float]]
    unstruck: list[list[float]]


class RevisionsBody(TypedDict):
    """The newest first; `next` is where older ones are."""

    next: str | None
    results: list[RevisionBody]

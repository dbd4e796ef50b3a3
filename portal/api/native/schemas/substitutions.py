"""What is replaced in several transcripts."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypedDict

from django.utils.translation import gettext as _
from pydantic import BeforeValidator

from portal.api.native.parsing import Count, Id, RequestBody, Text, documented
from portal.api.native.schemas.search import FoundRecording
from portal.api.native.schemas.segments import SkippedHit, TextHitBody
from transcription.errors import InvalidOption
from transcription.transcripts.series import MOST_TARGETS
from transcription.transcripts.substitution import LONGEST_FIND, LONGEST_REPLACEMENT


def _not_too_many(targets: Any) -> Any:
    if isinstance(targets, list) and not 0 < len(targets) <= MOST_TARGETS:
        message = _("Send from 1 to %(n)d transcripts at once.")
        raise InvalidOption("transcripts", message % {"n": MOST_TARGETS})
    return targets


class SeenTranscript(RequestBody):
    """A transcript at the revision at which its hits were seen, but for hits to `skip`."""

    transcription: Id
    revision: Count
    skip: list[SkippedHit] = []


class LibrarySubstitution(RequestBody):
    """What is found and what it becomes, or the `terms` as they were seen, and where.

    `series` is that of an earlier answer, which this goes on with.
    """

    find: Annotated[Text, documented(minLength=1, maxLength=LONGEST_FIND)] = ""
    replacement: Annotated[Text, documented(maxLength=LONGEST_REPLACEMENT)] = ""
    match_case: bool = False
    whole_words: bool = False
    terms: Annotated[Text, documented(minLength=1)] = ""
    transcripts: Annotated[list[SeenTranscript], BeforeValidator(_not_too_many)]
    series: Id | None = None


class LibraryHitBody(TextHitBody):
    """A place in a segment's text, counted in characters, the text beside it, and what comes there."""

    replacement: str


class TranscriptHitsBody(TypedDict):
    """A transcript in which something is found: the first hits, and how many there are."""

    recording: FoundRecording
    transcription: str
    revision: int
    total: int
    results: list[LibraryHitBody]


class LibraryHitsBody(TypedDict):
    """Transcripts in which something is found, newest recordings first.

    `looked` recordings were looked through for this page, which may be empty; `next` is where to go on. `terms` is what
    a substitution of these terms names.
    """

    terms: str | None
    looked: int
    next: str | None
    results: list[TranscriptHitsBody]


class OutcomeBody(TypedDict):
    """What became of a transcript.

    stale: somebody changed it since it was seen. too_long: a segment would be. gone: it has no text any more.
    """

    transcription: str
    outcome: Literal["replaced", "unchanged", "stale", "too_long", "gone"]


class LibrarySubstitutedBody(TypedDict):
    """What became of the first transcripts. Send the others again, with `series`, which undoes all of them."""

    series: str
    results: list[OutcomeBody]


class SeriesBody(TypedDict):
    """What was replaced together: in how many transcripts, how many were undone, and how many still can be."""

    id: str
    action: str
    made_at: str
    made_by: str | None
    transcripts: int
    undone: int
    undoable: int


class SeriesListBody(TypedDict):
    """The newest first."""

    results: list[SeriesBody]


class UndoneBody(TypedDict):
    """How many transcripts this request undid, and how many are left for the next one."""

    undone: int
    left: int

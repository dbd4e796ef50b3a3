"""The corrections of a transcript, each with what it made of the words that stood there.

A revision keeps what it replaced. What it put there follows from the text as it stands now, by undoing one revision
after the other, the newest first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Min

from transcription.models import Revision, Transcription
from transcription.transcripts.segment_edits import SegmentFields
from transcription.transcripts.word_diff import Difference, difference

AT_ONCE = 10  # revisions may be large: not all of them are held at once


@dataclass(frozen=True)
class SegmentText:
    """A segment's seconds and text."""

    start: float
    end: float
    text: str


@dataclass(frozen=True)
class TranscriptState:
    """A transcript as it was after `revision`."""

    revision: int
    lines: list[SegmentText]


@dataclass(frozen=True)
class Change:
    """One revision: where in the recording, in seconds, and which words it changed, if any."""

    revision: Revision
    start: float
    words: Difference


def current_state(row: Transcription) -> TranscriptState:
    """As it stands now. One query, so that the text is that of the revision."""
    rows = Transcription.objects.filter(pk=row.pk).order_by("segments__index")
    found = list(rows.values_list("revision", "segments__start", "segments__end", "segments__text"))
    lines = [SegmentText(start, end, text.strip()) for _revision, start, end, text in found if text is not None]
    return TranscriptState(found[0][0] if found else row.revision, lines)


def kept_revisions(row: Transcription, now: TranscriptState) -> range:
    """The numbers of the revisions that are kept, the newest first."""
    oldest = Revision.objects.filter(transcription=row).aggregate(oldest=Min("number"))["oldest"]
    return range(now.revision, (oldest or now.revision + 1) - 1, -1)


def changes(row: Transcription, now: TranscriptState, numbers: Sequence[int]) -> list[Change]:
    """Those of `numbers`, which are some in a row of `kept`."""
    if not numbers:
        return []
    rows = Revision.objects.filter(transcription=row, number__gte=numbers[-1], number__lte=now.revision)
    lines, found = list(now.lines), []
    for revision in rows.select_related("made_by", "api_key").order_by("-number").iterator(AT_ONCE):
        place = slice(revision.first, revision.first + revision.added)
        before, after = [_segment_text(piece) for piece in revision.before], lines[place]
        lines[place] = before
        if revision.number <= numbers[0]:
            found.append(_change(revision, before, after))
    return found


def _change(revision: Revision, before: list[SegmentText], after: list[SegmentText]) -> Change:
    start = min((line.start for line in (*before[:1], *after[:1])), default=0.0)
    return Change(revision, start, difference([line.text for line in before], [line.text for line in after]))


def _segment_text(piece: SegmentFields) -> SegmentText:
    return SegmentText(piece["start"], piece["end"], piece["text"].strip())

"""The corrections of a transcript, each with the words it changed.

A revision stores the segments it replaced. The segments it wrote are reconstructed from the current text, by undoing
revisions from the newest backwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Min

from transcription.models import Revision, Transcription
from transcription.transcripts.segment_edits import SegmentFields
from transcription.transcripts.word_diff import Difference, difference

AT_ONCE = 10  # revisions may be large, so only a few are in memory


@dataclass(frozen=True)
class SegmentText:
    """A segment's seconds and text."""

    start: float
    end: float
    text: str


@dataclass(frozen=True)
class TranscriptState:
    """A transcript after `revision`."""

    revision: int
    segments: list[SegmentText]


@dataclass(frozen=True)
class Change:
    """One revision: its start in seconds of the recording, and the words it changed, if any."""

    revision: Revision
    start: float
    words: Difference


def current_state(row: Transcription) -> TranscriptState:
    """Returns the current transcript, by one query so that text and revision belong together."""
    rows = Transcription.objects.filter(pk=row.pk).order_by("segments__index")
    values = list(rows.values_list("revision", "segments__start", "segments__end", "segments__text"))
    segments = [SegmentText(start, end, text.strip()) for _revision, start, end, text in values if text is not None]
    return TranscriptState(values[0][0] if values else row.revision, segments)


def kept_revisions(row: Transcription, state: TranscriptState) -> range:
    """Returns the numbers of the stored revisions, newest first."""
    oldest = Revision.objects.filter(transcription=row).aggregate(oldest=Min("number"))["oldest"]
    return range(state.revision, (oldest or state.revision + 1) - 1, -1)


def changes(row: Transcription, state: TranscriptState, numbers: Sequence[int]) -> list[Change]:
    """Returns the changes of `numbers`, a contiguous part of `kept_revisions`."""
    if not numbers:
        return []
    rows = Revision.objects.filter(transcription=row, number__gte=numbers[-1], number__lte=state.revision)
    segments, result = list(state.segments), []
    for revision in rows.select_related("made_by", "api_key").order_by("-number").iterator(AT_ONCE):
        place = slice(revision.first, revision.first + revision.added)
        before, after = [_segment_text(fields) for fields in revision.before], segments[place]
        segments[place] = before
        if revision.number <= numbers[0]:
            result.append(_change(revision, before, after))
    return result


def _change(revision: Revision, before: list[SegmentText], after: list[SegmentText]) -> Change:
    start = min((segment.start for segment in (*before[:1], *after[:1])), default=0.0)
    return Change(
        revision, start, difference([segment.text for segment in before], [segment.text for segment in after])
    )


def _segment_text(fields: SegmentFields) -> SegmentText:
    return SegmentText(fields["start"], fields["end"], fields["text"].strip())

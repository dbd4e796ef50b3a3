"""Reads and corrects the segments of transcripts, with optimistic locking by tags.

Each change is one short transaction: it locks the transcription's row, compares the caller's tags with the current
ones, and stores the replaced segments in a revision. All readers get the corrected text; only a result that is reused
for another recording is the original one (intake/reuse.py).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from tenants.access import Actor
from transcription.errors import InvalidOption
from transcription.library import recordings
from transcription.models import Revision, Segment, Transcription
from transcription.scripts import is_grapheme_boundary
from transcription.strikes.places import SHORTEST_STRIKE
from transcription.strikes.spans import united, within
from transcription.transcripts import checks
from transcription.transcripts.revisions import (
    at_revision,
    compare_tags,
    list_tag,
    locked,
    require_text,
    segment_tag,
    struck_at,
    struck_now,
    write_revision,
)
from transcription.transcripts.segment_edits import SegmentEdit, apply_edits, divided, field_values, joined, shifted
from transcription.transcripts.validation import (
    MAX_SEGMENTS,
    NoSuchPart,
    checked_text,
    checked_times,
    no_such_segment,
    too_many,
)

Action = Revision.Action


def transcript(actor: Actor, transcription_id: UUID) -> Transcription:
    """Returns a transcription whose segments can be read. Raises Http404, NotCompleted and TextDeleted."""
    row = recordings.transcription(actor, transcription_id)
    require_text(row)
    return row


def segment(actor: Actor, transcription_id: UUID, index: int) -> Segment:
    """Raises Http404, NotCompleted and TextDeleted."""
    return _segment(transcript(actor, transcription_id), index)


def revisions(actor: Actor, transcription_id: UUID) -> QuerySet[Revision]:
    """Returns the changes of a transcript, newest first. Raises Http404, NotCompleted and TextDeleted."""
    row = transcript(actor, transcription_id)
    return Revision.objects.filter(transcription=row).select_related("made_by", "api_key")


def edit(
    actor: Actor,
    transcription_id: UUID,
    index: int,
    expected_tags: Collection[str],
    text: str | None = None,
    start: float | None = None,
    end: float | None = None,
) -> Segment:
    """Corrects one segment; None leaves a field unchanged.

    `expected_tags` are tags of the segment or of the list, one of which must be current. Raises Http404, Stale,
    InvalidOption, NotCompleted and TextDeleted.
    """
    with locked(actor, transcription_id) as row:
        current = _segment(row, index)
        compare_tags(expected_tags, segment_tag(current), list_tag(row))
        target = SegmentEdit(
            current.start if start is None else start,
            current.end if end is None else end,
            current.text.strip() if text is None else text,
        )
        if (target.start, target.end) != (current.start, current.end):
            checked_times([*_neighbour(row, index - 1), target, *_neighbour(row, index + 1)], _latest(row))
        _correct(actor, row, Action.EDIT, index, [current], [target])
        return _segment(row, index)


def remove(actor: Actor, transcription_id: UUID, index: int, expected_tags: Collection[str]) -> Transcription:
    """Removes one segment. Raises as `edit` does."""
    with locked(actor, transcription_id) as row:
        current = _segment(row, index)
        compare_tags(expected_tags, segment_tag(current), list_tag(row))
        _correct(actor, row, Action.REMOVE, index, [current], [])
        return row


def replace(
    actor: Actor, transcription_id: UUID, edits: Sequence[SegmentEdit], expected_tags: Collection[str]
) -> Transcription:
    """Replaces all segments; unchanged ones keep all their fields. `expected_tags` are tags of the list.

    Raises as `edit` does.
    """
    with locked(actor, transcription_id) as row:
        compare_tags(expected_tags, list_tag(row))
        former = list(row.segments.all())
        checked_times(edits, _latest(row))
        _correct(actor, row, Action.REPLACE, 0, former, edits)
        return row


def insert(
    actor: Actor, transcription_id: UUID, start: float, end: float, text: str, expected_tags: Collection[str]
) -> Segment:
    """Writes a new segment where speech has no text. `expected_tags` are tags of the list. Raises as `edit` does."""
    with locked(actor, transcription_id) as row:
        compare_tags(expected_tags, list_tag(row))
        if row.segments.count() >= MAX_SEGMENTS:
            raise too_many("text")
        index = row.segments.filter(start__lte=start).count()
        added = SegmentEdit(start, end, text)
        checked_times([*_neighbour(row, index - 1), added, *_neighbour(row, index)], _latest(row))
        nearest = row.segments.filter(index=max(0, index - 1)).first() or Segment(seek=int(start * 100))
        fields = field_values(nearest) | {"words": [], "overlap": False, "corrected": True}
        [new] = apply_edits([fields], [added])
        new["checks"] = [checks.check_of(actor, 0, len(text))]
        write_revision(actor, row, Action.REPLACE, index, [], [new])
        return _segment(row, index)


def split(
    actor: Actor, transcription_id: UUID, index: int, position: int, at: float | None, expected_tags: Collection[str]
) -> list[Segment]:
    """Splits a segment before the character at `position` of its text, and returns both halves.

    `at` is the time of the split in seconds, by default when the character is spoken. `expected_tags` are tags of the
    segment or of the list. Raises as `edit` does.
    """
    with locked(actor, transcription_id) as row:
        current = _segment(row, index)
        compare_tags(expected_tags, list_tag(row), segment_tag(current))
        text = current.text.strip()
        if not text[:position].strip() or not text[position:].strip():
            raise InvalidOption(
                "position", _("There must be text before and after the position where a segment is split.")
            )
        if not is_grapheme_boundary(text, position):
            raise InvalidOption("position", _("A segment can’t be split within a character."))
        if row.segments.count() >= MAX_SEGMENTS:
            raise too_many("position")
        halves = divided(field_values(current), position, at)
        if any(half["start"] >= half["end"] for half in halves) or (at is not None and at != halves[1]["start"]):
            message = _("A segment must be split at a time between its start, %(start).3f s, and its end, %(end).3f s.")
            raise InvalidOption("at", message % {"start": current.start, "end": current.end})
        write_revision(actor, row, Action.SPLIT, index, [current], list(halves))
        return list(row.segments.filter(index__in=(index, index + 1)))


def merge(actor: Actor, transcription_id: UUID, index: int, expected_tags: Collection[str]) -> Segment:
    """Merges a segment with the next one. `expected_tags` are tags of the list, or the tags of both.

    Raises as `edit` does.
    """
    with locked(actor, transcription_id) as row:
        current, after = _segment(row, index), row.segments.filter(index=index + 1).first()
        if after is None:
            message = _("Segment %(index)d is the last one: there is none after it to join it with.")
            raise NoSuchPart(message % {"index": index})
        if not {segment_tag(current), segment_tag(after)} <= set(expected_tags):
            compare_tags(expected_tags, list_tag(row))
        merged = joined(field_values(current), field_values(after))
        checked_text(merged["text"])
        write_revision(actor, row, Action.MERGE, index, [current, after], [merged])
        return _segment(row, index)


def shift(
    actor: Actor,
    transcription_id: UUID,
    seconds: float,
    expected_tags: Collection[str],
    first: int = 0,
    last: int | None = None,
) -> Transcription:
    """Moves the segments from `first` to `last`, by default to the end, and their words, by `seconds`.

    `expected_tags` are tags of the list. Raises as `edit` does.
    """
    with locked(actor, transcription_id) as row:
        compare_tags(expected_tags, list_tag(row))
        rows = row.segments.filter(index__gte=first)
        former = list(rows if last is None else rows.filter(index__lte=last))
        if not former or (last is not None and len(former) != last - first + 1):
            raise no_such_segment(row)
        _check_shift(row, former, seconds)
        after = [shifted(field_values(segment), seconds) for segment in former]
        spans, end = struck_now(row), max(segment.end for segment in former)
        moved = within(spans, former[0].start - SHORTEST_STRIKE, end + SHORTEST_STRIKE)
        struck = united(spans, [(max(0.0, one[0] + seconds), one[1] + seconds) for one in moved])
        write_revision(actor, row, Action.SHIFT, first, former, after, struck=struck)
        return row


def _check_shift(row: Transcription, segments: Sequence[Segment], seconds: float) -> None:
    """Raises InvalidOption where segments would leave the recording, or pass the ones beside them."""
    earliest = max((one.start for one in _neighbour(row, segments[0].index - 1)), default=0.0)
    latest = _latest(row)
    starts = [one.start for one in _neighbour(row, segments[-1].index + 1)]
    most = min([latest - max(one.end for one in segments), *(start - segments[-1].start for start in starts)])
    least = earliest - segments[0].start
    if not least - 1e-9 <= seconds <= most + 1e-9:
        message = _("These segments can be shifted by %(least).3f to %(most).3f s, so that all stay in order.")
        raise InvalidOption("seconds", message % {"least": least, "most": most})


def revert(
    actor: Actor,
    transcription_id: UUID,
    number: int,
    expected_tags: Collection[str],
    series: UUID | None = None,
    *,
    strikes: bool = False,
) -> Transcription:
    """Restores the transcript of revision `number`, 0 for the machine's text, as a new revision.

    What is struck stays so, unless `strikes` has that restored, too. `series`: that of the revision which this undoes.
    `expected_tags` are tags of the list. Raises as `edit` does, and Http404 for a revision that was deleted.
    """
    with locked(actor, transcription_id) as row:
        compare_tags(expected_tags, list_tag(row))
        former = list(row.segments.all())
        restored, names = at_revision(row, [field_values(segment) for segment in former], number)
        struck = struck_at(row, number) if strikes else None
        write_revision(actor, row, Action.REVERT, 0, former, restored, names, series, struck)
        return row


def _segment(row: Transcription, index: int) -> Segment:
    current = row.segments.filter(index=index).first()
    if current is None:
        raise no_such_segment(row)
    return current


def _neighbour(row: Transcription, index: int) -> list[SegmentEdit]:
    return [SegmentEdit(segment.start, segment.end, segment.text) for segment in row.segments.filter(index=index)]


def _latest(row: Transcription) -> float:
    """Returns the end, in seconds, of the transcribed audio."""
    return round(row.saved_seconds or row.recording.duration_seconds, 3)


def _correct(
    actor: Actor, row: Transcription, action: str, first: int, former: list[Segment], edits: Sequence[SegmentEdit]
) -> None:
    """Writes edits as a revision. Text that somebody typed is checked by them."""
    replacement = apply_edits([field_values(segment) for segment in former], edits)
    texts = {segment.text.strip() for segment in former}
    for fields in replacement:
        if (text := fields["text"].strip()) not in texts:
            fields["checks"] = [checks.check_of(actor, 0, len(text))]
    write_revision(actor, row, action, first, former, replacement)

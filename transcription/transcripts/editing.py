"""Reads and corrects the segments of transcripts, with optimistic locking by tags.

Each change is one short transaction: it locks the transcription's row, compares the caller's tags with the current
ones, and stores the replaced segments in a revision. All readers get the corrected text; only a result that is reused
for another recording is the original one (intake/reuse.py).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, QuerySet
from django.http import Http404
from django.utils.translation import gettext as _

from tenants import audit
from tenants.access import Actor
from transcription import search
from transcription.errors import InvalidOption
from transcription.library import read_audit, recordings, retention
from transcription.models import MachineText, Revision, Segment, Status, Transcription
from transcription.scripts import with_leading_space
from transcription.transcripts.segment_edits import SegmentEdit, SegmentFields, apply_edits, field_values
from transcription.transcripts.timeline import Timeline
from transcription.transcripts.validation import MAX_SEGMENTS, checked_times, too_many

Action = Revision.Action
ANY = "*"
MAX_REVISIONS = 1000
MAX_KEPT_CHARACTERS = 20_000_000
INDEX_OFFSET = 1_000_000  # keeps indexes unique while the segments after a change are renumbered
SPLIT_SECONDS = 0.001  # the shortest segment that a split leaves
BATCH = 500


class NotCompleted(Exception):
    """The transcription has no text yet, or failed. `status` is the transcription's."""

    def __init__(self, status: str) -> None:
        super().__init__(status)
        self.status = status


class Stale(Exception):
    """The transcript was changed since the caller read it. `tag` is the current one."""

    def __init__(self, tag: str) -> None:
        super().__init__(tag)
        self.tag = tag


def list_tag(row: Transcription) -> str:
    """Returns the entity tag of all segments."""
    return str(row.revision)


def segment_tag(segment: Segment) -> str:
    """Returns the entity tag of one segment. It includes the index, since another segment may move there."""
    return f"{segment.index}.{segment.revision}"


def transcript(actor: Actor, transcription_id: UUID) -> Transcription:
    """Returns a transcription whose segments can be read. Raises Http404, NotCompleted and TextDeleted."""
    row = recordings.transcription(actor, transcription_id)
    _require_text(row)
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
    with _locked(actor, transcription_id) as row:
        current = _segment(row, index)
        _compare(expected_tags, segment_tag(current), list_tag(row))
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
    with _locked(actor, transcription_id) as row:
        current = _segment(row, index)
        _compare(expected_tags, segment_tag(current), list_tag(row))
        _correct(actor, row, Action.REMOVE, index, [current], [])
        return row


def replace(
    actor: Actor, transcription_id: UUID, edits: Sequence[SegmentEdit], expected_tags: Collection[str]
) -> Transcription:
    """Replaces all segments; unchanged ones keep all their fields. `expected_tags` are tags of the list.

    Raises as `edit` does.
    """
    with _locked(actor, transcription_id) as row:
        _compare(expected_tags, list_tag(row))
        former = list(row.segments.all())
        checked_times(edits, _latest(row))
        _correct(actor, row, Action.REPLACE, 0, former, edits)
        return row


def split(
    actor: Actor, transcription_id: UUID, index: int, position: int, at: float | None, expected_tags: Collection[str]
) -> list[Segment]:
    """Splits a segment before the character at `position` of its text, and returns both halves.

    `at` is the time of the split in seconds, by default when the character is spoken. `expected_tags` are tags of the
    list. Raises as `edit` does.
    """
    with _locked(actor, transcription_id) as row:
        current = _segment(row, index)
        _compare(expected_tags, list_tag(row))
        text = current.text.strip()
        left, right = text[:position].strip(), text[position:].strip()
        if not left or not right:
            raise InvalidOption(
                "position", _("There must be text before and after the position where a segment is split.")
            )
        if row.segments.count() >= MAX_SEGMENTS:
            raise too_many("position")
        offset, times = len("".join(left.split())), Timeline(current.text, current.words, current.start, current.end)
        ends, begins = (times.end_before(offset), times.start_after(offset)) if at is None else (at, at)
        halves = [
            SegmentEdit(current.start, _clamped_inside(current, ends), left),
            SegmentEdit(_clamped_inside(current, begins), current.end, right),
        ]
        if any(half.start >= half.end for half in halves) or (at is not None and at != halves[1].start):
            message = _("A segment must be split at a time between its start, %(start).3f s, and its end, %(end).3f s.")
            raise InvalidOption("at", message % {"start": current.start, "end": current.end})
        _correct(actor, row, Action.SPLIT, index, [current], halves)
        return list(row.segments.filter(index__in=(index, index + 1)))


def merge(actor: Actor, transcription_id: UUID, index: int, expected_tags: Collection[str]) -> Segment:
    """Merges a segment with the next one. `expected_tags` are tags of the list. Raises as `edit` does."""
    with _locked(actor, transcription_id) as row:
        current, after = _segment(row, index), _segment(row, index + 1)
        _compare(expected_tags, list_tag(row))
        text = (with_leading_space(current.text.strip()) + with_leading_space(after.text.strip())).strip()
        merged = SegmentEdit(current.start, max(current.end, after.end), text)
        _correct(actor, row, Action.MERGE, index, [current, after], [merged])
        return _segment(row, index)


def revert(actor: Actor, transcription_id: UUID, number: int, expected_tags: Collection[str]) -> Transcription:
    """Restores the transcript of revision `number`, 0 for the machine's text, as a new revision.

    `expected_tags` are tags of the list. Raises as `edit` does, and Http404 for a revision that was deleted.
    """
    with _locked(actor, transcription_id) as row:
        _compare(expected_tags, list_tag(row))
        former = list(row.segments.all())
        restored = _fields_at_revision(row, [field_values(segment) for segment in former], number)
        _write_revision(actor, row, Action.REVERT, 0, former, restored)
        return row


@contextmanager
def _locked(actor: Actor, transcription_id: UUID) -> Iterator[Transcription]:
    """Locks the transcript for one transaction."""
    actor.require("transcripts.edit")
    recordings.transcription(actor, transcription_id)
    with transaction.atomic():
        rows = Transcription.objects.filter(tenant=actor.tenant, id=transcription_id)
        row = rows.select_for_update(of=("self",)).select_related("recording", "tenant").first()
        if row is None:
            raise Http404(_("There is no such transcription."))
        _require_text(row)
        yield row


def _require_text(row: Transcription) -> None:
    retention.require_text(row)
    if row.status != Status.COMPLETED:
        raise NotCompleted(row.status)


def _segment(row: Transcription, index: int) -> Segment:
    current = row.segments.filter(index=index).first()
    if current is None:
        raise Http404(_("There is no such segment."))
    return current


def _neighbour(row: Transcription, index: int) -> list[SegmentEdit]:
    return [SegmentEdit(segment.start, segment.end, segment.text) for segment in row.segments.filter(index=index)]


def _latest(row: Transcription) -> float:
    """Returns the end, in seconds, of the transcribed audio."""
    return round(row.saved_seconds or row.recording.duration_seconds, 3)


def _clamped_inside(segment: Segment, at: float) -> float:
    """Returns the time nearest to `at` that leaves SPLIT_SECONDS on both sides."""
    return round(min(max(at, segment.start + SPLIT_SECONDS), segment.end - SPLIT_SECONDS), 3)


def _compare(expected_tags: Collection[str], *tags: str) -> None:
    """Raises Stale, with the first of `tags`, unless one of them is expected."""
    if ANY not in expected_tags and not set(tags) & set(expected_tags):
        raise Stale(tags[0])


def _correct(
    actor: Actor, row: Transcription, action: str, first: int, former: list[Segment], edits: Sequence[SegmentEdit]
) -> None:
    _write_revision(
        actor, row, action, first, former, apply_edits([field_values(segment) for segment in former], edits)
    )


def _write_revision(
    actor: Actor, row: Transcription, action: str, first: int, former: list[Segment], replacement: list[SegmentFields]
) -> None:
    """Replaces segments, stores the former ones in a revision and indexes the text, except for equal ends."""
    before = [field_values(segment) for segment in former]
    head, tail = _alike(before, replacement)
    if head == len(before) == len(replacement):
        read_audit.read(actor, row, "correction")  # nothing changes, but the caller gets the text
        return
    former, before = former[head : len(former) - tail], before[head : len(before) - tail]
    replacement, first = replacement[head : len(replacement) - tail], first + head
    number = row.revision + 1
    if row.revision == 0:
        _keep_machine_text(row)
    _replace_segments(row, number, first, former, replacement)
    text = "".join(row.segments.values_list("text", flat=True)).strip()
    if not Transcription.objects.filter(id=row.id, revision=row.revision).update(revision=number, text=text):
        raise Stale(list_tag(row))
    row.revision, row.text = number, text
    Revision.objects.create(
        tenant_id=row.tenant_id,
        transcription=row,
        number=number,
        action=action,
        made_by=actor.user,
        api_key=actor.key,
        first=first,
        added=len(replacement),
        before=before,
        size=len(json.dumps(before)),
    )
    audit.record(actor, "transcript.corrected", row, recording=str(row.recording_id), how=action, revision=number)
    _forget_oldest(row)
    search.index_recording(row.recording_id)


def _alike(before: Sequence[SegmentFields], after: Sequence[SegmentFields]) -> tuple[int, int]:
    """Returns how many segments are equal at the beginning and at the end."""
    shorter = min(len(before), len(after))
    head = next((i for i in range(shorter) if before[i] != after[i]), shorter)
    rest = shorter - head
    return head, next((i for i in range(rest) if before[-1 - i] != after[-1 - i]), rest)


def _replace_segments(
    row: Transcription, number: int, first: int, former: list[Segment], replacement: list[SegmentFields]
) -> None:
    """Writes the new segments and renumbers the following ones, which get new tags."""
    Segment.objects.filter(pk__in=[segment.pk for segment in former]).delete()
    if moved := len(replacement) - len(former):
        following = row.segments.filter(index__gte=first + len(former))
        following.update(index=F("index") + INDEX_OFFSET, revision=number)
        row.segments.filter(index__gte=INDEX_OFFSET).update(index=F("index") - INDEX_OFFSET + moved)
    common: dict[str, Any] = {"tenant_id": row.tenant_id, "transcription": row, "revision": number}
    Segment.objects.bulk_create(
        [Segment(index=first + i, **common, **fields) for i, fields in enumerate(replacement)], BATCH
    )


def _keep_machine_text(row: Transcription) -> None:
    replacement = [field_values(segment) for segment in row.segments.all()]
    MachineText.objects.create(tenant_id=row.tenant_id, transcription=row, text=row.text, segments=replacement)


def _fields_at_revision(row: Transcription, replacement: list[SegmentFields], number: int) -> list[SegmentFields]:
    """Undoes the later revisions. Raises Http404."""
    if number == row.revision:
        return replacement
    if number == 0:
        return list(MachineText.objects.get(transcription=row).segments)
    later = list(Revision.objects.filter(transcription=row, number__gt=number))
    if len(later) != row.revision - number:
        raise Http404(_("There is no such revision, or it is not kept any more."))
    for revision in later:
        replacement = replacement[: revision.first] + revision.before + replacement[revision.first + revision.added :]
    return replacement


def _forget_oldest(row: Transcription) -> None:
    """Deletes the oldest revisions beyond the limits. The machine's text is always kept."""
    kept: Any = Revision.objects.filter(transcription=row).values_list("number", "size")
    total = 0
    for count, (number, size) in enumerate(kept):
        total += size
        if count and (count >= MAX_REVISIONS or total > MAX_KEPT_CHARACTERS):
            Revision.objects.filter(transcription=row, number__lte=number).delete()
            return

"""The doors to a transcript's segments: reading them, and correcting them without overwriting each other.

Each change is one short transaction: the transcription's row is locked, what the caller has seen is compared with
what stands there, and a revision keeps what was replaced. Everybody reads the corrected text; only a result that is
reused for another recording is the machine's (reuse.py).
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
from transcription.transcripts.validation import MOST_SEGMENTS, checked_times, too_many

Action = Revision.Action
ANY = "*"
MOST_REVISIONS = 1000
MOST_KEPT_CHARACTERS = 20_000_000
FAR_AWAY = 1_000_000  # where indexes wait while those behind a change move on
SPLIT_SECONDS = 0.001  # the least that a split leaves on either side
BATCH = 500


class NotCompleted(Exception):
    """There is nothing to correct yet, or nothing came of it. `status` is the transcription's."""

    def __init__(self, status: str) -> None:
        super().__init__(status)
        self.status = status


class Stale(Exception):
    """Somebody changed it since the caller looked. `tag` is the one of what stands there now."""

    def __init__(self, tag: str) -> None:
        super().__init__(tag)
        self.tag = tag


def list_tag(row: Transcription) -> str:
    """Names this state of all segments."""
    return str(row.revision)


def segment_tag(segment: Segment) -> str:
    """Names this state of one segment, at this place: another one that moves there has another tag."""
    return f"{segment.index}.{segment.revision}"


def transcript(actor: Actor, transcription_id: UUID) -> Transcription:
    """A transcription whose segments can be read. Raises Http404, NotCompleted and TextDeleted."""
    row = recordings.transcription(actor, transcription_id)
    _must_stand(row)
    return row


def segment(actor: Actor, transcription_id: UUID, index: int) -> Segment:
    """Raises Http404, NotCompleted and TextDeleted."""
    return _segment(transcript(actor, transcription_id), index)


def revisions(actor: Actor, transcription_id: UUID) -> QuerySet[Revision]:
    """The changes of a transcript, newest first. Raises Http404, NotCompleted and TextDeleted."""
    row = transcript(actor, transcription_id)
    return Revision.objects.filter(transcription=row).select_related("made_by", "api_key")


def edit(
    actor: Actor,
    transcription_id: UUID,
    index: int,
    seen: Collection[str],
    text: str | None = None,
    start: float | None = None,
    end: float | None = None,
) -> Segment:
    """Corrects one segment; what is None stays. `seen` are the tags of the segment or of the list that may stand.

    Raises Http404, Stale, InvalidOption, NotCompleted and TextDeleted.
    """
    with _locked(actor, transcription_id) as row:
        now = _segment(row, index)
        _compare(seen, segment_tag(now), list_tag(row))
        wanted = SegmentEdit(
            now.start if start is None else start,
            now.end if end is None else end,
            now.text.strip() if text is None else text,
        )
        if (wanted.start, wanted.end) != (now.start, now.end):
            checked_times([*_neighbour(row, index - 1), wanted, *_neighbour(row, index + 1)], _latest(row))
        _change(actor, row, Action.EDIT, index, [now], [wanted])
        return _segment(row, index)


def remove(actor: Actor, transcription_id: UUID, index: int, seen: Collection[str]) -> Transcription:
    """Takes one segment out. Raises as `edit` does."""
    with _locked(actor, transcription_id) as row:
        now = _segment(row, index)
        _compare(seen, segment_tag(now), list_tag(row))
        _change(actor, row, Action.REMOVE, index, [now], [])
        return row


def replace(
    actor: Actor, transcription_id: UUID, wanted: Sequence[SegmentEdit], seen: Collection[str]
) -> Transcription:
    """All segments at once; those that stay as they are stay whole. `seen` are tags of the list. Raises as `edit`."""
    with _locked(actor, transcription_id) as row:
        _compare(seen, list_tag(row))
        former = list(row.segments.all())
        checked_times(wanted, _latest(row))
        _change(actor, row, Action.REPLACE, 0, former, wanted)
        return row


def split(
    actor: Actor, transcription_id: UUID, index: int, position: int, at: float | None, seen: Collection[str]
) -> list[Segment]:
    """Divides a segment before the character at `position` of its text, at `at` seconds or where that is spoken.

    The two segments. `seen` are tags of the list. Raises as `edit` does.
    """
    with _locked(actor, transcription_id) as row:
        now = _segment(row, index)
        _compare(seen, list_tag(row))
        text = now.text.strip()
        left, right = text[:position].strip(), text[position:].strip()
        if not left or not right:
            raise InvalidOption("position", _("There is text before and after the place where a segment is split."))
        if row.segments.count() >= MOST_SEGMENTS:
            raise too_many("position")
        place, times = len("".join(left.split())), Timeline(now.text, now.words, now.start, now.end)
        ends, begins = (times.ends(place), times.begins(place)) if at is None else (at, at)
        halves = [SegmentEdit(now.start, _inside(now, ends), left), SegmentEdit(_inside(now, begins), now.end, right)]
        if any(half.start >= half.end for half in halves) or (at is not None and at != halves[1].start):
            message = _("A segment is split at a time between its start, %(start).3f s, and its end, %(end).3f s.")
            raise InvalidOption("at", message % {"start": now.start, "end": now.end})
        _change(actor, row, Action.SPLIT, index, [now], halves)
        return list(row.segments.filter(index__in=(index, index + 1)))


def merge(actor: Actor, transcription_id: UUID, index: int, seen: Collection[str]) -> Segment:
    """Joins a segment with the next one. `seen` are tags of the list. Raises as `edit` does."""
    with _locked(actor, transcription_id) as row:
        now, after = _segment(row, index), _segment(row, index + 1)
        _compare(seen, list_tag(row))
        text = (with_leading_space(now.text.strip()) + with_leading_space(after.text.strip())).strip()
        wanted = SegmentEdit(now.start, max(now.end, after.end), text)
        _change(actor, row, Action.MERGE, index, [now, after], [wanted])
        return _segment(row, index)


def revert(actor: Actor, transcription_id: UUID, number: int, seen: Collection[str]) -> Transcription:
    """Back to how it stood after revision `number`; 0 is the machine's text. Itself a revision that can be undone.

    `seen` are tags of the list. Raises as `edit` does; Http404 too for a revision that is not kept any more.
    """
    with _locked(actor, transcription_id) as row:
        _compare(seen, list_tag(row))
        former = list(row.segments.all())
        then = _as_it_stood(row, [field_values(one) for one in former], number)
        _put(actor, row, Action.REVERT, 0, former, then)
        return row


@contextmanager
def _locked(actor: Actor, transcription_id: UUID) -> Iterator[Transcription]:
    """One transaction; nobody else changes the transcript in it."""
    actor.require("transcripts.edit")
    recordings.transcription(actor, transcription_id)
    with transaction.atomic():
        rows = Transcription.objects.filter(tenant=actor.tenant, id=transcription_id)
        row = rows.select_for_update(of=("self",)).select_related("recording", "tenant").first()
        if row is None:
            raise Http404(_("There is no such transcription."))
        _must_stand(row)
        yield row


def _must_stand(row: Transcription) -> None:
    retention.require_text(row)
    if row.status != Status.COMPLETED:
        raise NotCompleted(row.status)


def _segment(row: Transcription, index: int) -> Segment:
    found = row.segments.filter(index=index).first()
    if found is None:
        raise Http404(_("There is no such segment."))
    return found


def _neighbour(row: Transcription, index: int) -> list[SegmentEdit]:
    return [SegmentEdit(one.start, one.end, one.text) for one in row.segments.filter(index=index)]


def _latest(row: Transcription) -> float:
    """Returns the end, in seconds, of the sound that was transcribed."""
    return round(row.saved_seconds or row.recording.duration_seconds, 3)


def _inside(segment: Segment, at: float) -> float:
    """Returns the time nearest to `at` that leaves something of the segment on both sides."""
    return round(min(max(at, segment.start + SPLIT_SECONDS), segment.end - SPLIT_SECONDS), 3)


def _compare(seen: Collection[str], *tags: str) -> None:
    """The first tag is the one that the caller should have. Raises Stale."""
    if ANY not in seen and not set(tags) & set(seen):
        raise Stale(tags[0])


def _change(
    actor: Actor, row: Transcription, action: str, first: int, former: list[Segment], wanted: Sequence[SegmentEdit]
) -> None:
    _put(actor, row, action, first, former, apply_edits([field_values(one) for one in former], wanted))


def _put(
    actor: Actor, row: Transcription, action: str, first: int, former: list[Segment], pieces: list[SegmentFields]
) -> None:
    """Replaces segments, keeps what stood there and indexes the text. What is the same at both ends isn't touched."""
    before = [field_values(one) for one in former]
    head, tail = _alike(before, pieces)
    if head == len(before) == len(pieces):
        read_audit.read(actor, row, "correction")  # nothing is corrected, but the caller is told what stands there
        return
    former, before = former[head : len(former) - tail], before[head : len(before) - tail]
    pieces, first = pieces[head : len(pieces) - tail], first + head
    number = row.revision + 1
    if row.revision == 0:
        _keep_machine_text(row)
    _write(row, number, first, former, pieces)
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
        added=len(pieces),
        before=before,
        size=len(json.dumps(before)),
    )
    audit.record(actor, "transcript.corrected", row, recording=str(row.recording_id), how=action, revision=number)
    _forget_oldest(row)
    search.index_recording(row.recording_id)


def _alike(before: Sequence[SegmentFields], after: Sequence[SegmentFields]) -> tuple[int, int]:
    """How many are the same at the beginning, and behind what differs."""
    shorter = min(len(before), len(after))
    head = next((i for i in range(shorter) if before[i] != after[i]), shorter)
    rest = shorter - head
    return head, next((i for i in range(rest) if before[-1 - i] != after[-1 - i]), rest)


def _write(row: Transcription, number: int, first: int, former: list[Segment], pieces: list[SegmentFields]) -> None:
    """Those behind move, which changes their tags: another one stands at their place now."""
    Segment.objects.filter(pk__in=[gone.pk for gone in former]).delete()
    if moved := len(pieces) - len(former):
        behind = row.segments.filter(index__gte=first + len(former))
        behind.update(index=F("index") + FAR_AWAY, revision=number)
        row.segments.filter(index__gte=FAR_AWAY).update(index=F("index") - FAR_AWAY + moved)
    of_row: dict[str, Any] = {"tenant_id": row.tenant_id, "transcription": row, "revision": number}
    Segment.objects.bulk_create([Segment(index=first + i, **of_row, **piece) for i, piece in enumerate(pieces)], BATCH)


def _keep_machine_text(row: Transcription) -> None:
    pieces = [field_values(one) for one in row.segments.all()]
    MachineText.objects.create(tenant_id=row.tenant_id, transcription=row, text=row.text, segments=pieces)


def _as_it_stood(row: Transcription, pieces: list[SegmentFields], number: int) -> list[SegmentFields]:
    """Raises Http404."""
    if number == row.revision:
        return pieces
    if number == 0:
        return list(MachineText.objects.get(transcription=row).segments)
    undone = list(Revision.objects.filter(transcription=row, number__gt=number))
    if len(undone) != row.revision - number:
        raise Http404(_("There is no such revision, or it is not kept any more."))
    for one in undone:
        pieces = pieces[: one.first] + one.before + pieces[one.first + one.added :]
    return pieces


def _forget_oldest(row: Transcription) -> None:
    """Very many or very large revisions are not kept; the machine's text always is."""
    kept: Any = Revision.objects.filter(transcription=row).values_list("number", "size")
    total = 0
    for count, (number, size) in enumerate(kept):
        total += size
        if count and (count >= MOST_REVISIONS or total > MOST_KEPT_CHARACTERS):
            Revision.objects.filter(transcription=row, number__lte=number).delete()
            return

"""Lines of a transcript that are heard again under other options: what was heard beside what stands there.

A rehearing is a Transcription of the sound of some lines, which `rehears` the transcript's own one. It is queued,
claimed, tried again and charged like any other (intake/rehearing.py asks for it). Its lines are those that begin in its
range, whatever number they have by now, and the tag of a rehearing is theirs: it says whether they have been changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from functools import reduce
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from tenants import audit
from tenants.access import Actor
from transcription.diarization.types import Turn
from transcription.engine.types import Span
from transcription.errors import Refused
from transcription.folders.visibility import among
from transcription.library import read_audit, recordings, retention
from transcription.models import HEARD_AROUND, Revision, Segment, Status, Transcription
from transcription.options.speakers import OFF
from transcription.queue import lifecycle
from transcription.segments.bounds import clamp_segments
from transcription.segments.speakers import divided
from transcription.strikes import redacted
from transcription.transcripts import checks, editing
from transcription.transcripts.revisions import NotCompleted, compare_tags, locked, write_revision
from transcription.transcripts.segment_edits import SegmentFields, field_values, joined
from transcription.transcripts.validation import MAX_SEGMENTS, no_such_segment, too_many

CLOSE = 1e-6


class Lines(NamedTuple):
    """The lines of a transcript from one index to another."""

    first: int
    last: int


def get(actor: Actor, transcription_id: UUID, rehearing_id: UUID) -> Transcription:
    """Returns a rehearing of a transcript, with the recording at hand. Raises Http404, NotCompleted and TextDeleted."""
    editing.transcript(actor, transcription_id)
    return recordings.transcription(actor, rehearing_id, Q(rehears=transcription_id))


def range_of(row: Transcription, wanted: Lines) -> Span:
    """Returns from when to when some lines last, in seconds. Raises Http404."""
    rows = row.segments.filter(index__gte=wanted.first, index__lte=wanted.last)
    lines = list(rows.only("transcription", "start", "end"))
    if not lines or len(lines) != wanted.last - wanted.first + 1:
        raise no_such_segment(row)
    start, end = lines[0].start, max(line.end for line in lines)
    later = row.segments.filter(index=wanted.last + 1, start__gt=lines[-1].start)
    after = later.values_list("start", flat=True).first()
    return start, end if after is None else min(end, after)


def lines_of(row: Transcription, start: float, end: float) -> list[Segment]:
    """Returns the lines of a transcript that begin in a range, in order."""
    return list(row.segments.filter(start__gte=start - CLOSE, start__lt=end - CLOSE))


def lines_cut(row: Transcription, start: float, end: float) -> QuerySet[Segment]:
    """Returns the lines of which a part lies in a range and another part, longer than HEARD_AROUND, doesn't."""
    within = row.segments.filter(start__lt=end - HEARD_AROUND, end__gt=start + HEARD_AROUND)
    return within.filter(Q(start__lt=start - HEARD_AROUND) | Q(end__gt=end + HEARD_AROUND))


def tag_of(lines: Sequence[Segment]) -> str:
    """Returns the entity tag of some lines, which no change of other lines changes."""
    told = [(line.start, line.end, line.text, line.speaker) for line in lines]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]


def heard_texts(heard: Transcription, *, original: bool) -> list[str]:
    """Returns the texts of the segments that were heard so far, without what is struck unless it is the `original`."""
    segments = list(heard.segments.all()) if original else redacted(heard)
    return [text for segment in segments if (text := segment.text.strip())]


def take(actor: Actor, transcription_id: UUID, rehearing_id: UUID, expected_tags: Collection[str]) -> Transcription:
    """Puts what was heard in the place of the lines, as one revision, and returns the transcript.

    Words have their times and lines their speakers: a line is divided where another one speaks. One line stays one.
    Whoever takes a text has compared it, so that what differs is checked by them. `expected_tags` are tags of the
    lines. Raises Stale, Http404, NotCompleted and TextDeleted, and Refused where other lines have become part of them.
    """
    with locked(actor, transcription_id) as row:
        heard = get(actor, transcription_id, rehearing_id)
        retention.require_text(heard)
        if heard.status != Status.COMPLETED:
            raise NotCompleted(heard.status)
        former = lines_of(row, heard.range_start, heard.range_end)
        compare_tags(expected_tags, tag_of(former))
        if tag_of(former) != heard.range_tag:
            _require_unmoved(row, heard)
        replacement = _replacement(row, former, heard)
        if row.segments.count() + len(replacement) - len(former) > MAX_SEGMENTS:
            raise too_many("text")
        before = {line.text.strip(): line.checks for line in former}
        for fields in replacement:
            text = fields["text"].strip()
            fields["checks"] = before[text] if text in before else [checks.check_of(actor, 0, len(text))]
        if [fields["text"].strip() for fields in replacement] != [line.text.strip() for line in former]:
            first = former[0].index if former else row.segments.filter(start__lt=heard.range_start).count()
            write_revision(actor, row, Revision.Action.REHEAR, first, former, replacement)
        else:
            read_audit.read(actor, row, "correction")
        return row


def stop(actor: Actor, transcription_id: UUID, rehearing_id: UUID) -> Transcription:
    """Cancels a rehearing that waits or runs, which is charged nothing. Raises as `get` does."""
    actor.require("transcripts.edit")
    row = get(actor, transcription_id, rehearing_id)
    among(actor, row.recording.folder).require("transcripts.edit")
    with transaction.atomic():
        if lifecycle.cancel(row):
            audit.record(actor, "transcription.cancelled", row, recording=str(row.recording_id))
    return get(actor, transcription_id, rehearing_id)


def _require_unmoved(row: Transcription, heard: Transcription) -> None:
    """Raises Refused where a line holds other sound now, too: its text would be lost, or doubled."""
    if lines_cut(row, heard.range_start, heard.range_end).exists():
        message = _("These lines were joined with others, or their times changed, meanwhile. Hear them again.")
        raise Refused("lines_moved", message)


def _replacement(row: Transcription, former: Sequence[Segment], heard: Transcription) -> list[SegmentFields]:
    """Returns the fields of the lines that were heard, on the recording's clock."""
    begin, _end = heard.heard_range or (0.0, 0.0)
    segments = [segment for segment in heard.segments.all() if segment.text.strip()]
    for segment in segments:
        segment.start, segment.end = segment.start + begin, segment.end + begin
        segment.seek += round(100 * begin)
        segment.words = [word | {name: word[name] + begin for name in ("start", "end")} for word in segment.words]
        segment.corrected, segment.speaker = False, None
    segments = _given_to_speakers(former, segments, heard.range_end) if row.speakers != OFF else segments
    clamp_segments(segments, heard.range_start, heard.range_end)
    if not row.word_timestamps and not any(line.words for line in former):
        for segment in segments:
            segment.words = []
    fields = [field_values(segment) for segment in segments]
    if len(former) == 1 and fields:
        return [reduce(joined, fields) | {"start": former[0].start, "end": former[0].end}]
    return fields


def _given_to_speakers(former: Sequence[Segment], segments: list[Segment], latest: float) -> list[Segment]:
    """Returns the segments, divided where the former lines' speakers change."""
    turns = [Turn(line.start, line.end, line.speaker) for line in former if line.speaker is not None]
    shared, numbers = divided(segments, turns, latest)
    speakers = {number: speaker for speaker, number in numbers.items()}
    for segment in shared:
        segment.speaker = None if segment.speaker is None else speakers[segment.speaker]
    return shared

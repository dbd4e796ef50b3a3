"""Walks through a transcript: the passages that nobody has checked yet, worst first, and marks those that are right."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from functools import partial
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from tenants import audit
from tenants.access import Actor
from transcription.errors import InvalidOption
from transcription.models import Segment, Transcription
from transcription.queue import progress
from transcription.transcripts import checks
from transcription.transcripts.doubts import missed_speech
from transcription.transcripts.ranking import Passage, ranked
from transcription.transcripts.revisions import compare_tags, list_tag, locked, segment_tag
from transcription.transcripts.validation import no_such_segment

AUDIT_WINDOW = timedelta(minutes=10)
"""The audit log has one entry for all that somebody checks of a transcript in such a time."""


def passages(row: Transcription, segments: Sequence[Segment]) -> list[Passage]:
    """Returns what is to be checked of a transcript, of which `segments` are all, the likeliest to be wrong first."""
    gaps = checks.open_gaps(row, [(segment.start, segment.end) for segment in segments])
    return [passage for passage in ranked(segments, gaps) if not _is_checked(passage)]


def check(
    actor: Actor, transcription_id: UUID, index: int, first: int, last: int | None, expected_tags: Collection[str]
) -> Transcription:
    """Marks the characters from `first` to `last` of a segment as right; None for the end of its text.

    `expected_tags` are tags of the segment or of the list. Raises Http404, Stale, InvalidOption, NotCompleted and
    TextDeleted.
    """
    return _mark(actor, transcription_id, index, first, last, expected_tags, is_right=True)


def uncheck(
    actor: Actor, transcription_id: UUID, index: int, first: int, last: int | None, expected_tags: Collection[str]
) -> Transcription:
    """Takes marks away again, whoever set them. Raises as `check` does."""
    return _mark(actor, transcription_id, index, first, last, expected_tags, is_right=False)


def check_gap(
    actor: Actor, transcription_id: UUID, start: float, expected_tags: Collection[str], is_right: bool = True
) -> Transcription:
    """Marks speech without text, by its start in seconds, as rightly without; else takes that back. Raises as `check`.

    `expected_tags` are tags of the list.
    """
    with locked(actor, transcription_id) as row:
        compare_tags(expected_tags, list_tag(row))
        gaps = [
            gap for gap in missed_speech(row, row.segments.values_list("start", "end")) if abs(gap[0] - start) < 0.01
        ]
        if not gaps:
            raise no_such_segment(row)
        others = [gap for gap in row.checked.get("gaps", []) if not (gap[0] < gaps[0][1] and gaps[0][0] < gap[1])]
        who_and_when = checks.check_of(actor, 0, 0)[2:]
        row.checked["gaps"] = [*others, *([[*gaps[0], *who_and_when]] if is_right else [])]
        _save(actor, row)
        return row


def _mark(
    actor: Actor,
    transcription_id: UUID,
    index: int,
    first: int,
    last: int | None,
    expected_tags: Collection[str],
    is_right: bool,
) -> Transcription:
    with locked(actor, transcription_id) as row:
        segment = row.segments.filter(index=index).first()
        if segment is None:
            raise no_such_segment(row)
        compare_tags(expected_tags, segment_tag(segment), list_tag(row))
        length = len(segment.text.strip())
        last = length if last is None else last
        if not 0 <= first < last <= length:
            message = _("There is no text from character %(first)d to %(last)d of this segment.")
            raise InvalidOption("last", message % {"first": first, "last": last})
        new = checks.check_of(actor, first, last)
        before = segment.checks
        segment.checks = checks.with_check(before, new) if is_right else checks.without_check(before, first, last)
        Segment.objects.filter(pk=segment.pk).update(checks=segment.checks)
        _save(actor, row)
        return row


def _save(actor: Actor, row: Transcription) -> None:
    checks.recount(row)
    transaction.on_commit(partial(progress.announce_checks, row.id), robust=True)
    audit.record_once(actor, "transcript.checked", row, AUDIT_WINDOW, recording=str(row.recording_id))


def _is_checked(passage: Passage) -> bool:
    return passage.segment is not None and checks.is_checked(passage.segment.checks, passage.first, passage.last)

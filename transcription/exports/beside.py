"""Another text of a recording beside a transcript: each of its segments at the line that it is heard with."""

from __future__ import annotations

import copy
from bisect import bisect_left
from collections.abc import Sequence
from functools import partial
from itertools import accumulate
from operator import itemgetter
from uuid import UUID

from django.http import Http404
from django.utils.translation import gettext as _

from tenants.shortcuts import first_or_404
from transcription.errors import InvalidOption
from transcription.library.retention import require_text
from transcription.models import WHOLE, Segment, Status, Task, Transcription
from transcription.strikes import redacted_segments, spans_of

MOST_LINES = 50
"""Lines that begin while a segment lasts, among which its own is looked for: more in one are no speech."""


def others(row: Transcription) -> list[Transcription]:
    """Returns the other whole texts of the recording, translations of this one first, then the newest."""
    rows = Transcription.objects.filter(
        WHOLE, recording=row.recording_id, status=Status.COMPLETED, text_deleted_at=None
    )
    found = rows.exclude(id=row.id).order_by("-created_at", "-id").defer("text", "prompt")
    return sorted(found, key=lambda one: one.translates_id != row.id)


def asked(row: Transcription, other_id: UUID | str) -> Transcription:
    """Returns the one of `others` that a request names as `beside`. Raises InvalidOption and TextDeleted."""
    try:
        return other(row, UUID(str(other_id)))
    except (ValueError, Http404):
        message = _("“beside” must be the id of another transcription of this recording that has a text.")
        raise InvalidOption("beside", message) from None


def other(row: Transcription, other_id: UUID) -> Transcription:
    """Returns one of `others`, with its recording. Raises Http404 and TextDeleted."""
    rows = Transcription.objects.filter(WHOLE, id=other_id, recording=row.recording_id, status=Status.COMPLETED)
    found = first_or_404(rows.exclude(id=row.id).select_related("recording"), _("There is no such transcription."))
    require_text(found)
    return found


def shown_beside(row: Transcription) -> list[Segment]:
    """Returns the segments of a text that is shown beside another one, without what is struck.

    Of a translation whole lines are struck: its words are not said, so that the times they have are no word's.
    """
    segments = list(row.segments.all())
    if row.task == Task.TRANSLATE:
        segments = [_untimed(segment) for segment in segments]
    return redacted_segments(segments, spans_of(row))


def aligned(lines: Sequence[Segment], beside: Sequence[Segment]) -> list[str]:
    """Returns for each line the text beside it: of the segments that overlap it more than any other line with a text.

    A segment that overlaps none stands at the nearest one, and one that overlaps two as much at the shorter one. Of the
    lines that begin while it lasts the first MOST_LINES are looked at.
    """
    spoken = sorted((line.start, line.end, place) for place, line in enumerate(lines) if line.text.strip())
    starts = [start for start, _end, _place in spoken]
    lasting = list(accumulate(spoken, partial(max, key=itemgetter(1))))
    texts: list[list[str]] = [[] for _line in lines]
    for segment in beside if spoken else ():
        if text := " ".join(segment.text.split()):
            at = bisect_left(starts, segment.start)
            until = max(at + 1, min(at + MOST_LINES, bisect_left(starts, segment.end, lo=at)))
            near = [*lasting[max(0, at - 1) : at], *spoken[max(0, at - 1) : until]]
            texts[max(near, key=partial(_fit, segment))[2]].append(text)
    return [" ".join(parts) for parts in texts]


def _fit(segment: Segment, line: tuple[float, float, int]) -> tuple[float, float]:
    """Returns the seconds that a segment and a line have in common, below zero how far apart they are; then how short
    the line is.
    """
    return min(line[1], segment.end) - max(line[0], segment.start), line[0] - line[1]


def _untimed(segment: Segment) -> Segment:
    plain = copy.copy(segment)
    plain.words = []
    return plain

"""Another text of a recording beside a transcript: each of its segments at the line that it is heard with."""

from __future__ import annotations

import copy
from bisect import bisect_left
from collections.abc import Sequence
from operator import attrgetter
from uuid import UUID

from django.http import Http404
from django.utils.translation import gettext as _

from transcription.library.retention import require_text
from transcription.models import WHOLE, Segment, Status, Task, Transcription
from transcription.strikes import redacted_segments, spans_of


def others(row: Transcription) -> list[Transcription]:
    """Returns the other whole texts of the recording, translations of this one first, then the newest."""
    rows = Transcription.objects.filter(
        WHOLE, recording=row.recording_id, status=Status.COMPLETED, text_deleted_at=None
    )
    found = rows.exclude(id=row.id).order_by("-created_at", "-id").defer("text", "prompt")
    return sorted(found, key=lambda one: one.translates_id != row.id)


def other(row: Transcription, other_id: UUID) -> Transcription:
    """Returns one of `others`, with its recording. Raises Http404 and TextDeleted."""
    rows = Transcription.objects.filter(WHOLE, id=other_id, recording=row.recording_id, status=Status.COMPLETED)
    found = rows.exclude(id=row.id).select_related("recording").first()
    if found is None:
        raise Http404(_("There is no such transcription."))
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
    """Returns for each line the text beside it: of the segments that overlap it more than any other line.

    A segment that overlaps none stands at the nearest one. Both are in the order of their starts.
    """
    texts: list[list[str]] = [[] for _line in lines]
    for segment in beside if lines else ():
        if text := " ".join(segment.text.split()):
            texts[_place_of(lines, segment)].append(text)
    return [" ".join(parts) for parts in texts]


def _place_of(lines: Sequence[Segment], segment: Segment) -> int:
    at = bisect_left(lines, segment.start, key=attrgetter("start"))
    first = max(0, at - 1)
    last = max(first + 1, bisect_left(lines, segment.end, lo=first, key=attrgetter("start")) + 1)
    near = range(first, min(last, len(lines)))
    return max(near, key=lambda place: min(lines[place].end, segment.end) - max(lines[place].start, segment.start))


def _untimed(segment: Segment) -> Segment:
    plain = copy.copy(segment)
    plain.words = []
    return plain

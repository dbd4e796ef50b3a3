"""The texts of one recording say the same at slightly other times: what is struck in one is to be hidden in each.

A text that comes to a recording is compared with the one before it, and whoever strikes a word of one text strikes it
in the others, too. Only words that the struck seconds don't hide already are added to what is struck.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.db.models import Q

from tenants import audit
from tenants.access import system_actor
from transcription.models import WHOLE, Recording, Status, Transcription
from transcription.strikes import copies
from transcription.strikes.following import AROUND, Fields, carried
from transcription.strikes.spans import Span, united

MOST_NOTED = 50
"""Spans that an entry of the audit log names."""


def hide_in(row: Transcription) -> None:
    """Strikes what the text before had struck at other times, out of a text that is new. A rehearing's is that of its
    transcript.

    Call in the transaction that completes it, and index the recording afterwards.
    """
    recordings = Recording.objects.filter(id=row.recording_id)
    spans = united(recordings.select_for_update().values_list("struck", flat=True).get())
    former = _completed(row).filter(Q(id=row.rehears_id) if row.rehears_id else WHOLE)
    before = former.order_by("-created_at", "-id").first() if spans else None
    if before is None or not (added := _carried(before, row, spans, spans)):
        return
    recordings.update(struck=[list(one) for one in united(spans, added)])
    copies.want(recordings.get())
    audit.record(system_actor(row.tenant), "transcript.struck", row, recording=str(row.recording_id), **noted(added))


def in_others(row: Transcription, struck: Iterable[Sequence[float]], new: Sequence[Span]) -> list[Span]:
    """Returns what has to be struck, too, so that words which are `new` among what is `struck` are in no other text."""
    if not new:
        return []
    ranges = Q(range_start__lte=new[-1][1] + AROUND, range_end__gte=new[0][0] - AROUND)
    others = _completed(row).filter(WHOLE | ranges)
    struck = list(struck)
    return united(span for other in others for span in _carried(row, other, struck, new))


def noted(spans: Sequence[Span]) -> dict[str, Any]:
    """Returns what the audit log says of struck seconds."""
    return {"seconds": [f"{start:.3f}-{end:.3f}" for start, end in spans[:MOST_NOTED]], "spans": len(spans)}


def _completed(row: Transcription) -> Any:
    rows = Transcription.objects.filter(recording=row.recording_id, status=Status.COMPLETED, text_deleted_at=None)
    return rows.exclude(id=row.id)


def _carried(
    before: Transcription, after: Transcription, struck: Iterable[Sequence[float]], new: Sequence[Span]
) -> list[Span]:
    first, last = new[0][0] - AROUND, new[-1][1] + AROUND
    return carried(_fields(before, first, last), _fields(after, first, last), struck, new)


def _fields(row: Transcription, first: float, last: float) -> Iterator[Fields]:
    """Yields the segments between two times, on the recording's clock."""
    begin = row.heard_range[0] if row.heard_range else 0.0
    near = row.segments.filter(start__lte=last - begin, end__gte=first - begin)
    for one in near.values("text", "words", "start", "end"):
        words = [word | {name: word[name] + begin for name in ("start", "end")} for word in one["words"]]
        yield {"text": one["text"], "words": words, "start": one["start"] + begin, "end": one["end"] + begin}

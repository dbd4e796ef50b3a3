"""The texts of one recording say the same at slightly other times: what is struck in one is to be hidden in each.

A text that comes to a recording is compared with those before it, and whoever strikes a word of one text strikes it in
the others, too. Only words that the struck seconds don't hide already are added to what is struck. Of a text in another
language only those are that are spelt alike. A translation beside a transcript is left out: nobody says its words, so
that nothing has to be silent for them; `texts.spans_of` hides more of it instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import Q, QuerySet

from tenants import audit
from tenants.access import system_actor
from transcription.models import MAIN, Recording, Status, Task, Transcription
from transcription.strikes import copies
from transcription.strikes.following import AROUND, DRIFT, carried, spelt_alike
from transcription.strikes.spans import Span, united
from transcription.strikes.texts import fields_between, transcript_of

MOST_NOTED = 50
"""Spans that an entry of the audit log names."""
MOST_COMPARED = 10
"""Texts that a new one is compared with: the newest."""


def hide_in(row: Transcription) -> None:
    """Strikes what the texts before had struck at other times, out of a text that is new. A rehearing's is that of its
    transcript.

    Call in the transaction that completes it, and index the recording afterwards.
    """
    if transcript_of(row) is not None:
        return
    recordings = Recording.objects.filter(id=row.recording_id)
    spans = united(recordings.select_for_update().values_list("struck", flat=True).get())
    if not spans:
        return
    former = _completed(row).filter(Q(id=row.rehears_id) if row.rehears_id else MAIN)
    newest = former.order_by("-created_at", "-id")[:MOST_COMPARED]
    if not (added := united(span for before in newest for span in _carried(before, row, spans, spans))):
        return
    recordings.update(struck=[list(one) for one in united(spans, added)])
    copies.want(recordings.get())
    audit.record(system_actor(row.tenant), "transcript.struck", row, recording=str(row.recording_id), **noted(added))


def in_others(row: Transcription, struck: Iterable[Sequence[float]], new: Sequence[Span]) -> list[Span]:
    """Returns what has to be struck, too, so that words which are `new` among what is `struck` are in no other text."""
    if not new:
        return []
    near = Q(range_start__lte=new[-1][1] + AROUND, range_end__gte=new[0][0] - AROUND)
    heard_again = near & Q(rehears__isnull=False, rehears__translates=None)
    struck = list(struck)
    others = _completed(row).filter(MAIN | heard_again)
    return united(span for other in others for span in _carried(row, other, struck, new))


def noted(spans: Sequence[Span]) -> dict[str, Any]:
    """Returns what the audit log says of struck seconds."""
    return {"seconds": [f"{start:.3f}-{end:.3f}" for start, end in spans[:MOST_NOTED]], "spans": len(spans)}


def _completed(row: Transcription) -> QuerySet[Transcription]:
    rows = Transcription.objects.filter(recording=row.recording_id, status=Status.COMPLETED, text_deleted_at=None)
    return rows.exclude(id=row.id)


def _carried(
    before: Transcription, after: Transcription, struck: Iterable[Sequence[float]], new: Sequence[Span]
) -> list[Span]:
    first, last = new[0][0] - AROUND, new[-1][1] + AROUND
    texts = fields_between(before, first, last), fields_between(after, first, last)
    if (before.task == Task.TRANSLATE) != (after.task == Task.TRANSLATE):
        return spelt_alike(*texts, struck, DRIFT)
    return carried(*texts, struck, new)

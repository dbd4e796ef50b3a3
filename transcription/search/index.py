"""Maintains the search entries. Call it in each transaction that changes a name or text, after all other locks."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from tenants import scope
from transcription.models import LATEST_FIRST, MAIN, Recording, SearchEntry, Segment, Speaker, Status, Transcription
from transcription.models.search_entry import EDITION
from transcription.search.folding import fold
from transcription.search.tokens import lexemes
from transcription.strikes import masked_text

BATCH = 200


def index_recording(recording_id: UUID) -> None:
    """Rewrites a recording's entry from its current rows, or removes it if the recording is deleted.

    The entry is locked before anything is read, so that concurrent calls see each other's changes.
    """
    known = SearchEntry.objects.filter(recording_id=recording_id)
    list(known.select_for_update().values_list("recording_id"))
    living = Recording.objects.filter(id=recording_id, deleted_at=None)
    recording = living.only("tenant", "name", "created_at", "struck").first()
    if recording is None:
        known.delete()
        return
    source = _source(recording)
    texts = _texts(recording, source) if source else ()
    names = (
        Speaker.objects.filter(transcription_id=source).exclude(name="").values_list("name", flat=True)
        if source
        else ()
    )
    folded = "\n".join(map(fold, (" ".join((recording.name, *names)), *texts)))
    entry = SearchEntry(
        recording=recording,
        tenant_id=recording.tenant_id,
        created_at=recording.created_at,
        transcription_id=source,
        folded=folded,
        tokens=lexemes(recording.tenant_id, folded),
        edition=EDITION,
    )
    changing = ["created_at", "transcription_id", "folded", "tokens", "edition"]
    SearchEntry.objects.bulk_create([entry], update_conflicts=True, unique_fields=["recording"], update_fields=changing)


def remove_recording(recording_id: UUID) -> None:
    SearchEntry.objects.filter(recording_id=recording_id).delete()


def index_missing() -> int:
    """Indexes recordings without an entry, or with one of an earlier edition, and returns their number."""
    with scope.across_tenants("every tenant's recordings are indexed"):
        known = SearchEntry.objects.filter(recording_id=OuterRef("pk"))
        count = _index_all(Recording.objects.exclude(Exists(known)))
        return count + _index_all(Recording.objects.filter(search_entry__edition=0))


def rebuild() -> int:
    """Rewrites every entry in its own transaction, while the portal runs, and returns their number."""
    with scope.across_tenants("every tenant's recordings are indexed"):
        return _index_all(Recording.objects.all())


def _index_all(rows: QuerySet[Recording]) -> int:
    count, rows = 0, rows.filter(deleted_at=None).order_by("id")
    batch = list(rows.values_list("id", flat=True)[:BATCH])
    while batch:
        for recording_id in batch:
            with transaction.atomic():
                list(Recording.objects.select_for_update().filter(id=recording_id).values_list("id"))
                index_recording(recording_id)
        count += len(batch)
        batch = list(rows.filter(id__gt=batch[-1]).values_list("id", flat=True)[:BATCH])
    return count


def _texts(recording: Recording, source: UUID) -> Iterable[str]:
    """Returns the texts of the segments, without what is struck."""
    rows = Segment.objects.filter(transcription_id=source)
    if not recording.struck:
        return rows.values_list("text", flat=True)
    columns = rows.values_list("text", "words", "start", "end")
    return [masked_text(*columns_of_one, recording.struck) for columns_of_one in columns]


def _source(recording: Recording) -> UUID | None:
    """Returns the id of the latest transcription with text."""
    rows = Transcription.objects.filter(MAIN, recording=recording, status=Status.COMPLETED, text_deleted_at=None)
    return rows.order_by(*LATEST_FIRST).values_list("id", flat=True).first()

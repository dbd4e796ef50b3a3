"""What goes with a recording, or a text: the videos that were made of it."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Q

from tenants import quota
from transcription.models import SubtitledVideo


def forget_of_recording(tenant_id: UUID, recording_id: UUID) -> list[str]:
    """Deletes the videos of a recording, and gives their storage back; returns the keys to delete afterwards.

    Call in a transaction with the tenant locked.
    """
    return _forget(tenant_id, Q(recording_id=recording_id))


def forget_of_texts(tenant_id: UUID, transcription_ids: list[UUID]) -> list[str]:
    """Does the same with those that show one of some texts."""
    return _forget(tenant_id, Q(transcription_id__in=transcription_ids) | Q(beside_id__in=transcription_ids))


def _forget(tenant_id: UUID, which: Q) -> list[str]:
    rows = SubtitledVideo.objects.filter(which, tenant_id=tenant_id)
    found = list(rows.values_list("key", "bytes"))
    rows.delete()
    if size := sum(bytes for _key, bytes in found):
        quota.give_storage_back(tenant_id, size)
    return [key for key, _bytes in found if key]

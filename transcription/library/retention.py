"""Each tenant's own days: audio goes so long after its upload, text so long after it was finished.

Nothing that is being worked on is touched. Rows first, then media: a crash in between leaves media that no row
counts any more, which the sweeper finds. The ledger stays.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.template.defaultfilters import date as date_format
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from tenants import quota, scope
from tenants.models import Tenant
from transcription import search, tenant_lock
from transcription.library import recordings
from transcription.media import storage
from transcription.models import Attempt, MachineText, Recording, Revision, Segment, Status, Transcription
from transcription.queue import lifecycle

log = logging.getLogger(__name__)
BATCH = 200
STRANDED = timedelta(days=30)
OVER = (Status.COMPLETED, Status.FAILED, Status.CANCELLED)


def delete_old_audio() -> int:
    """Deletes the audio of recordings that are older than their tenants keep audio; how many."""
    tenants = Tenant.objects.exclude(audio_retention_days=None)
    return _for_each(tenants, lambda tenant: (_delete_audio(tenant, one) for one in _ids(_old_audio(tenant))))


def delete_old_text() -> int:
    """Deletes text, corrections, prompt and hotwords of what ended longer ago than its tenant keeps text; how many.

    What failed or was cancelled may have text of its first windows.
    """
    tenants = Tenant.objects.exclude(text_retention_days=None)
    return _for_each(tenants, lambda tenant: (_delete_text(tenant, one) for one in _ids(_old_text(tenant))))


def remove_empty() -> int:
    """Removes recordings of which neither audio nor text is left, where a tenant lets both go; how many."""
    tenants = Tenant.objects.exclude(audio_retention_days=None).exclude(text_retention_days=None)
    return _for_each(tenants, lambda tenant: (_purge(tenant, one) for one in _ids(_empty(tenant))))


def cancel_stranded() -> int:
    """Cancels what waits of a tenant that was switched off, once it is older than the tenant keeps audio; how many."""
    tenants = Tenant.objects.filter(is_active=False).exclude(audio_retention_days=None)
    return _for_each(tenants, lambda tenant: (lifecycle.cancel(row) for row in _stranded(tenant)))


def stranded_before() -> datetime:
    """What was on its way to a switched-off tenant before this moment goes.

    However short the tenant keeps audio: it is no recording yet, and a pause of an hour must lose nothing.
    """
    return timezone.now() - STRANDED


def _for_each(tenants: QuerySet[Tenant], steps: Callable[[Tenant], Iterable[bool]]) -> int:
    """Takes the steps of each tenant; what goes wrong with one is no reason to keep the others' data."""
    count = 0
    for tenant in tenants:
        try:
            with scope.bound(tenant.id):
                count += sum(steps(tenant))
        except Exception:
            log.exception("Retention failed for tenant %s", tenant.id)
    return count


def _stranded(tenant: Tenant) -> list[Transcription]:
    begin = timezone.now() - timedelta(days=tenant.audio_retention_days or 0)
    return list(Transcription.objects.filter(tenant=tenant, status=Status.QUEUED, created_at__lt=begin))


def _purge(tenant: Tenant, recording_id: UUID) -> bool:
    return recordings.purge(tenant.id, _empty(tenant).filter(id=recording_id))


def why_no_audio(recording: Recording) -> str:
    """A sentence for people about audio that retention deleted."""
    return _why(
        recording.audio_deleted_at,
        recording.tenant.audio_retention_days,
        _("The audio was deleted on %(date)s, as your organisation decided."),
        lambda days: ngettext(
            "The audio was deleted on %(date)s: your organisation keeps audio for %(days)d day.",
            "The audio was deleted on %(date)s: your organisation keeps audio for %(days)d days.",
            days,
        ),
    )


class TextDeleted(Exception):
    """The tenant's retention has deleted the text. The message says so to people."""


def require_text(row: Transcription) -> None:
    """Raises TextDeleted."""
    if row.text_deleted_at is not None:
        raise TextDeleted(why_no_text(row))


def why_no_text(row: Transcription) -> str:
    """A sentence for people about text that retention deleted."""
    return _why(
        row.text_deleted_at,
        row.tenant.text_retention_days,
        _("The text was deleted on %(date)s, as your organisation decided."),
        lambda days: ngettext(
            "The text was deleted on %(date)s: your organisation keeps text for %(days)d day.",
            "The text was deleted on %(date)s: your organisation keeps text for %(days)d days.",
            days,
        ),
    )


def _why(moment: datetime | None, days: int | None, plain: str, counted: Callable[[int], str]) -> str:
    """The days are the tenant's of today; it may have changed its mind since."""
    date = date_format(moment, pgettext("date format", "j F Y"))
    return plain % {"date": date} if days is None else counted(days) % {"date": date, "days": days}


def _old_audio(tenant: Tenant) -> QuerySet[Recording]:
    begin = timezone.now() - timedelta(days=tenant.audio_retention_days or 0)
    rows = Recording.objects.filter(tenant=tenant, deleted_at=None, audio_deleted_at=None, created_at__lt=begin)
    return rows.exclude(_at_work(OuterRef("id")))


def _old_text(tenant: Tenant) -> QuerySet[Transcription]:
    begin = timezone.now() - timedelta(days=tenant.text_retention_days or 0)
    rows = Transcription.objects.filter(tenant=tenant, status__in=OVER, text_deleted_at=None, finished_at__lt=begin)
    return rows.filter(recording__deleted_at=None).exclude(_at_work(OuterRef("recording_id")))


def _empty(tenant: Tenant) -> QuerySet[Recording]:
    with_text = Transcription.objects.filter(recording_id=OuterRef("id"), text_deleted_at=None)
    rows = Recording.objects.filter(tenant=tenant, deleted_at=None).exclude(audio_deleted_at=None)
    return rows.exclude(Exists(with_text))


def _at_work(recording_id: OuterRef) -> Q:
    return Q(Exists(Transcription.objects.filter(recording_id=recording_id).exclude(status__in=OVER)))


def _ids(rows: QuerySet[Any]) -> Iterator[UUID]:
    """Of all rows, each batch read when the one before is done."""
    rows = rows.order_by("id").values_list("id", flat=True)
    batch = list(rows[:BATCH])
    while batch:
        yield from batch
        batch = list(rows.filter(id__gt=batch[-1])[:BATCH])


def _delete_audio(tenant: Tenant, recording_id: UUID) -> bool:
    """Asks again with the tenant's schedule locked: work may have been queued, or another sweeper was here."""
    with transaction.atomic():
        tenant_lock.lock(tenant.id)
        row = _old_audio(tenant).filter(id=recording_id).first()
        if row is None:
            return False
        Recording.objects.filter(id=row.id).update(audio_deleted_at=timezone.now(), playback_key="", track_copies={})
        quota.give_storage_back(tenant.id, row.bytes)
    storage.discard(row.storage_key, *row.copies)
    return True


def _delete_text(tenant: Tenant, transcription_id: UUID) -> bool:
    with transaction.atomic():
        tenant_lock.lock(tenant.id)
        rows = _old_text(tenant).filter(id=transcription_id)
        changes = {"text": "", "prompt": "", "hotwords": "", "resume": {}, "error_message": "", "fingerprint": ""}
        if not rows.update(**changes, text_deleted_at=timezone.now()):
            return False
        for of_text in (Segment, MachineText, Revision):
            of_text.objects.filter(transcription_id=transcription_id).delete()
        search.index_recording(Transcription.objects.values_list("recording_id", flat=True).get(id=transcription_id))
        Attempt.objects.filter(transcription_id=transcription_id).update(error="")
    return True

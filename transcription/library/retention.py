"""Retention: each tenant's audio is deleted some days after its upload, its text some days after it was finished.

How many days, the tenant says, or the recording's folder, tags or rule: transcription.library.periods. Recordings with
unfinished transcriptions and those on legal hold are skipped; those in the bin are not. Rows are changed before media
is deleted: a crash in between leaves media without a row, which the sweeper deletes. The ledger is kept.
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

from tenants import audit, quota, scope
from tenants.access import system_actor
from tenants.models import Tenant
from tenants.shortcuts import first_or_404
from transcription import search, tenant_lock
from transcription.errors import Refused
from transcription.library import periods, recordings, videos
from transcription.library.periods import RetentionPeriod
from transcription.media import storage
from transcription.models import (
    Attempt,
    Comment,
    Loudness,
    MachineText,
    Recording,
    Revision,
    Segment,
    Speaker,
    Status,
    Transcription,
)
from transcription.queue import lifecycle
from transcription.strikes import copies

log = logging.getLogger(__name__)
BATCH = 200
STRANDED = timedelta(days=30)
OVER = (Status.COMPLETED, Status.FAILED, Status.CANCELLED)


def delete_old_audio() -> int:
    """Deletes the audio of recordings older than their tenants keep it; returns the number of recordings."""
    tenants = periods.tenants_with(periods.AUDIO)
    return _for_each(tenants, lambda tenant: (_delete_audio(tenant, row_id) for row_id in _ids(old_audio(tenant))))


def delete_old_text() -> int:
    """Deletes text, corrections, prompt and hotwords of transcriptions that ended longer ago than tenants keep text.

    Failed and cancelled ones may have text of their first windows. Returns the number of transcriptions.
    """
    tenants = periods.tenants_with(periods.TEXT)
    return _for_each(tenants, lambda tenant: (_delete_text(tenant, row_id) for row_id in _ids(old_text(tenant))))


def remove_empty() -> int:
    """Removes recordings without audio and text for which both are limited; returns their number."""
    tenants = periods.tenants_with(periods.AUDIO) & periods.tenants_with(periods.TEXT)
    return _for_each(tenants, lambda tenant: (_purge(tenant, row_id) for row_id in _ids(_empty(tenant))))


def cancel_stranded() -> int:
    """Cancels queued transcriptions of inactive tenants, older than these keep audio; returns their number."""
    tenants = Tenant.objects.filter(is_active=False).exclude(audio_retention_days=None)
    return _for_each(tenants, lambda tenant: (lifecycle.cancel(row) for row in _stranded(tenant)))


def stranded_before() -> datetime:
    """Returns the time before which unfinished uploads and fetches of inactive tenants are deleted.

    It doesn't depend on the tenant's retention, so that a tenant that is inactive for an hour loses nothing.
    """
    return timezone.now() - STRANDED


def _for_each(tenants: QuerySet[Tenant], steps: Callable[[Tenant], Iterable[bool]]) -> int:
    """Runs the steps of each tenant and counts the successful ones; logs a tenant's error and continues."""
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
    """Returns a sentence for people about audio that retention deleted."""
    return _why(
        recording.audio_deleted_at,
        periods.effective_period(recording, periods.AUDIO),
        _("The audio was deleted on %(date)s, as your organisation decided."),
        lambda days: ngettext(
            "The audio was deleted on %(date)s: your organisation keeps audio for %(days)d day.",
            "The audio was deleted on %(date)s: your organisation keeps audio for %(days)d days.",
            days,
        ),
        lambda days: ngettext(
            "The audio was deleted on %(date)s: “%(name)s” keeps audio for %(days)d day.",
            "The audio was deleted on %(date)s: “%(name)s” keeps audio for %(days)d days.",
            days,
        ),
    )


class TextDeleted(Exception):
    """The tenant's retention deleted the text. The message is for people."""


def recording_with_audio(row: Transcription) -> Recording:
    """Reads a transcription's recording anew, for a transaction where nobody deletes it or its audio.

    Raises Http404 and Refused.
    """
    rows = Recording.objects.filter(id=row.recording_id, deleted_at=None)
    recording = first_or_404(rows, _("There is no such recording."))
    require_audio(recording)
    return recording


def require_audio(recording: Recording) -> None:
    """Raises Refused."""
    if recording.audio_deleted_at is not None:
        raise Refused("audio_deleted", why_no_audio(recording))


def require_text(row: Transcription) -> None:
    """Raises TextDeleted."""
    if row.text_deleted_at is not None:
        raise TextDeleted(why_no_text(row))


def why_no_text(row: Transcription) -> str:
    """Returns a sentence for people about text that retention deleted."""
    return _why(
        row.text_deleted_at,
        periods.effective_period(row.recording, periods.TEXT),
        _("The text was deleted on %(date)s, as your organisation decided."),
        lambda days: ngettext(
            "The text was deleted on %(date)s: your organisation keeps text for %(days)d day.",
            "The text was deleted on %(date)s: your organisation keeps text for %(days)d days.",
            days,
        ),
        lambda days: ngettext(
            "The text was deleted on %(date)s: “%(name)s” keeps text for %(days)d day.",
            "The text was deleted on %(date)s: “%(name)s” keeps text for %(days)d days.",
            days,
        ),
    )


def _why(
    moment: datetime | None,
    decided: periods.EffectivePeriod | None,
    plain: str,
    counted: Callable[[int], str],
    named: Callable[[int], str],
) -> str:
    """Says it as it is decided now: whether the days were others when it was deleted, nobody knows."""
    date = date_format(moment, pgettext("date format", "j F Y"))
    if decided is None:
        return plain % {"date": date}
    text = named(decided.days) if decided.name else counted(decided.days)
    return text % {"date": date, "days": decided.days, "name": decided.name}


def old_audio(tenant: Tenant, period: RetentionPeriod | None = None) -> QuerySet[Recording]:
    """Returns the recordings whose audio is to go, by another period if one is given."""
    is_over = (period or RetentionPeriod.of(tenant, periods.AUDIO)).is_over("", "created_at")
    rows = Recording.objects.filter(is_over, tenant=tenant, held_at=None, audio_deleted_at=None)
    return rows.exclude(_is_unfinished(OuterRef("id")))


def old_text(tenant: Tenant, period: RetentionPeriod | None = None) -> QuerySet[Transcription]:
    """Returns the transcriptions whose text is to go, by another period if one is given."""
    is_over = (period or RetentionPeriod.of(tenant, periods.TEXT)).is_over("recording", "finished_at")
    rows = Transcription.objects.filter(is_over, tenant=tenant, status__in=OVER, text_deleted_at=None)
    return rows.filter(recording__held_at=None).exclude(_is_unfinished(OuterRef("recording_id")))


def _empty(tenant: Tenant) -> QuerySet[Recording]:
    with_text = Transcription.objects.filter(recording_id=OuterRef("id"), text_deleted_at=None)
    both = [RetentionPeriod.of(tenant, field).counts_for("") for field in (periods.AUDIO, periods.TEXT)]
    rows = Recording.objects.filter(*both, tenant=tenant, held_at=None).exclude(audio_deleted_at=None)
    return rows.exclude(Exists(with_text))


def _is_unfinished(recording_id: OuterRef) -> Q:
    return Q(Exists(Transcription.objects.filter(recording_id=recording_id).exclude(status__in=OVER)))


def _ids(rows: QuerySet[Any]) -> Iterator[UUID]:
    """Yields the ids of all rows, reading each batch after the previous one was processed."""
    rows = rows.order_by("id").values_list("id", flat=True)
    batch = list(rows[:BATCH])
    while batch:
        yield from batch
        batch = list(rows.filter(id__gt=batch[-1])[:BATCH])


def _delete_audio(tenant: Tenant, recording_id: UUID) -> bool:
    """Checks again under the tenant's lock, as work may have been queued or another sweeper been faster."""
    with transaction.atomic():
        tenant_lock.lock(tenant.id)
        row = old_audio(tenant).filter(id=recording_id).first()
        if row is None:
            return False
        keys = row.media_keys
        Recording.objects.filter(id=row.id).update(audio_deleted_at=timezone.now(), playback_key="", track_copies={})
        Loudness.objects.filter(recording_id=row.id).delete()
        audit.record(system_actor(tenant), "audio.erased", row)
        made = [*copies.forget(row.id), *videos.forget_of_recording(tenant.id, row.id)]
        quota.give_storage_back(tenant.id, row.bytes)
    storage.discard(*keys, *made)
    return True


def _delete_text(tenant: Tenant, transcription_id: UUID) -> bool:
    with transaction.atomic():
        tenant_lock.lock(tenant.id)
        rows = old_text(tenant).filter(id=transcription_id)
        changes: dict[str, Any] = {"text": "", "prompt": "", "hotwords": "", "resume": {}, "missed_speech": []}
        changes |= dict.fromkeys(("folder_hotwords", "error_message", "speakers_error", "fingerprint"), "")
        changes["text_deleted_at"] = timezone.now()
        if not rows.update(**changes):
            return False
        heard_again = Transcription.objects.filter(rehears=transcription_id, status__in=OVER, text_deleted_at=None)
        ids = [transcription_id, *heard_again.values_list("id", flat=True)]
        heard_again.update(**changes)
        for model in (Segment, Speaker, MachineText, Revision):
            model.objects.filter(transcription_id__in=ids).delete()
        keys = videos.forget_of_texts(tenant.id, ids)
        recording_id = Transcription.objects.values_list("recording_id", flat=True).get(id=transcription_id)
        audit.record(
            system_actor(tenant), "transcript.erased", Transcription(pk=transcription_id), recording=str(recording_id)
        )
        if not Transcription.objects.filter(recording=recording_id, text_deleted_at=None).exists():
            Comment.objects.filter(recording=recording_id).delete()  # they are about words that are gone
        search.index_recording(recording_id)
        Attempt.objects.filter(transcription_id__in=ids).update(error="")
    storage.discard(*keys)
    return True

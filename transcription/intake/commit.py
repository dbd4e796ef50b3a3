"""The transaction in which a request is decided, and what it inserts.

The tenant is locked first. Of calls that race under one idempotency key, or for one synchronous call, the first
inserts a transcription, and the others find it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from django.db import transaction

from tenants import audit, quota
from tenants.models import Tenant
from tenants.quota import QuotaExceeded
from transcription import media, tenant_lock
from transcription.errors import over_quota_noted
from transcription.intake import deduplicate, idempotency, reuse
from transcription.intake.request import TranscriptionRequest
from transcription.intake.reuse import FinishedResult
from transcription.media import pcm_cache
from transcription.models import KnownSpeaker, Lane, Recording, Transcription
from transcription.options.speakers import OFF
from transcription.queue import fairness, progress, wakeups
from transcription.transcripts.terms import Correction

log = logging.getLogger(__name__)
Insert = Callable[[], Transcription]
"""Inserts a transcription in the transaction. May raise QuotaExceeded and Refused."""


def commit(request: TranscriptionRequest, insert: Insert) -> Transcription:
    """Returns what an earlier call made, else what `insert` inserts. Raises Refused."""
    with quota_refusals(request.tenant), transaction.atomic():
        tenant_lock.lock_for_adding(request.tenant.id)
        row = _note(request, deduplicate.find_existing(request) or insert())
    log.info("Transcription %s of tenant %s is accepted.", row.id, row.tenant_id)
    return row


def confirm(request: TranscriptionRequest, existing: Transcription) -> Transcription:
    """Notes what `deduplicate.find_existing` returned as this call's answer, too. Raises Refused."""
    if request.call.key or request.call.in_transaction:
        with transaction.atomic():
            tenant_lock.lock_for_adding(request.tenant.id)
            _note(request, existing)
    return existing


@contextmanager
def quota_refusals(tenant: Tenant) -> Iterator[None]:
    """Turns QuotaExceeded into Refused, and tells the tenant's owners if nothing at all is left."""
    try:
        yield
    except QuotaExceeded as exceeded:
        raise over_quota_noted(tenant, exceeded) from exceeded


def queue(
    request: TranscriptionRequest, recording: Recording, seconds: int, found: media.Probe | None = None
) -> Transcription:
    """Reserves `seconds` and queues a transcription; a worker is woken on commit. Raises QuotaExceeded."""
    schedule = tenant_lock.lock(request.tenant.id)
    options = request.options_for(recording)
    row = request.new_transcription(recording, options)
    row.warnings = list(found.warnings) if found else []
    quota.reserve(request.tenant, row.id, seconds, request.actor.user, request.actor.key)
    row.save(force_insert=True)
    KnownSpeaker.objects.bulk_create(
        KnownSpeaker(tenant_id=row.tenant_id, transcription=row, number=number, name=voice.name, pcm=voice.pcm)
        for number, voice in enumerate(options.known_speakers)
    )
    fairness.enter(schedule, row)
    _audit(request, row)
    if found and found.pcm and row.lane == Lane.INTERACTIVE and not _listens_to_channels(row, found):
        transaction.on_commit(partial(pcm_cache.put, row.id, found.pcm), robust=True)
    wakeups.wake_on_commit(row.lane)
    transaction.on_commit(partial(progress.announce_change, row.tenant_id, recording.id, row.id), robust=True)
    return row


def copy_result(
    request: TranscriptionRequest, recording: Recording, result: FinishedResult, correction: Correction
) -> Transcription:
    """Inserts a transcription that a finished result completes at once; nothing is reserved or charged.

    `correction` is the prepared one of the tenant's terms, so that the transaction is short.
    """
    row = request.new_transcription(recording, request.options_for(result.source.recording))
    reuse.insert_completed(row, result)
    correction.write(row)
    _audit(request, row)
    return row


def _listens_to_channels(row: Transcription, found: media.Probe) -> bool:
    """Returns whether two channels are to be heard apart, which the mixed audio of a probe doesn't have."""
    is_mono = found.tracks[found.track].channels == 1 if found.track < len(found.tracks) else False
    return row.speakers != OFF and not is_mono


def _note(request: TranscriptionRequest, row: Transcription) -> Transcription:
    idempotency.note(request.tenant.id, request.call.key, request.digest, row)
    if request.call.in_transaction is not None:
        request.call.in_transaction(row)
    return row


def _audit(request: TranscriptionRequest, row: Transcription) -> None:
    recording, reused = str(row.recording_id), row.is_reused
    audit.record(request.actor, "transcription.created", row, recording=recording, model=row.model, reused=reused)

"""From a received file to a queued transcription: everything that can refuse it does so here, for free."""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol, runtime_checkable
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.http import Http404
from django.utils.translation import gettext as _

from tenants import audit, quota
from tenants.access import Actor
from tenants.quota import QuotaExceeded
from transcription import media, search, tenant_lock
from transcription.concurrency import Places, TooBusy
from transcription.connections import lend_connection
from transcription.errors import Refused, over_quota, over_quota_noted, reason_for_people
from transcription.intake import idempotency, reuse, waiters
from transcription.intake.idempotency import Call, KeyReused
from transcription.intake.request import Order
from transcription.intake.reuse import Known
from transcription.library import retention
from transcription.media import DecoderDied, MediaError, pcm_cache, playable_copies, storage
from transcription.media.filenames import clean_name
from transcription.models import Lane, Recording, Status, Transcription
from transcription.options import audio_tracks, tenant_defaults
from transcription.options.options import TranscriptionOptions
from transcription.queue import fairness, progress, wakeups

log = logging.getLogger(__name__)
INTERACTIVE_SECONDS = 300
PROBES_AT_ONCE = 2 * (os.cpu_count() or 1)
PROBES = Places(PROBES_AT_ONCE, share=PROBES_AT_ONCE // 2)
"""Of this process. A tenant has half of them at most, so that its slow files leave room for the others' quick ones."""
PROBE_PATIENCE_SECONDS = 60.0
"""One may take 40 s, which are counted from its beginning."""


class Received(Protocol):
    """A file that has arrived on this machine's disk."""

    @property
    def file_name(self) -> str: ...
    @property
    def path(self) -> Path: ...
    @property
    def size(self) -> int: ...
    @property
    def sha256(self) -> str: ...


@runtime_checkable
class ReceivedInStorage(Received, Protocol):
    """One that the object storage has already, too: it is copied there and not sent again."""

    @property
    def storage_key(self) -> str: ...


def accept(
    actor: Actor, upload: Received, options: TranscriptionOptions, source: str, call: Call | None = None
) -> Transcription:
    """Keeps the recording and queues its transcription; where the text is known, it is done at once, for free.

    What an earlier call made is given instead where `call` repeats it: then nothing is kept. A call that waits counts
    among the callers of what it is given. Raises Refused and PermissionDenied.
    """
    actor.require("recordings.create")
    if upload.size == 0:
        raise Refused("empty_file", _("The file is empty."))
    order = Order(actor, options, call or Call(), upload.sha256)
    if (earlier := _answered(order)) is not None:
        return earlier
    try:
        if (known := _known(order)) is not None:
            return _accept_known(order, upload, source, known)
        return _accept_new(order, upload, source)
    except QuotaExceeded as exceeded:
        raise over_quota_noted(actor.tenant, exceeded) from exceeded


def again(actor: Actor, recording: Recording, options: TranscriptionOptions, call: Call | None = None) -> Transcription:
    """Queues another transcription of a kept recording, or gives what is known, as `accept` does.

    As long as the recording has one under these options that is not over, that is given, but at temperature 0 only:
    who asks for sampling wants a new sample.

    Raises Refused, PermissionDenied, and Http404 where the recording was deleted meanwhile.
    """
    actor.require("recordings.create")
    order = Order(actor, options, call or Call(), recording.sha256)
    return _again(order, partial(_another, order, recording.id))


def retry(actor: Actor, row: Transcription, call: Call | None = None) -> Transcription:
    """Queues what failed or was cancelled once more, under what was asked for then, as `again` does.

    A second try of the same is given the first one as long as that is not over. Raises what `again` raises, Refused
    for one that waits, runs or is done or whose options retention deleted, and InvalidOption where its model is no
    longer offered.
    """
    actor.require("recordings.create")
    if not row.is_over:
        raise Refused("not_over", _("The transcription is not over: it is %s. Wait, or cancel it.") % row.status)
    if row.status == Status.COMPLETED:
        message = _("The transcription is done. POST to %(path)s for another one of its recording.")
        raise Refused("completed", message % _way_to_another(row))
    options = tenant_defaults.asked(row, actor.tenant)
    order = Order(actor, options, call or Call(), row.recording.sha256, named=tenant_defaults.done(row))
    return _again(order, partial(_try_again, order, row))


def _way_to_another(row: Transcription) -> dict[str, str]:
    return {"path": f"/api/v1/recordings/{row.recording_id}/transcriptions"}


def _again(order: Order, make: Callable[[], Transcription]) -> Transcription:
    """Raises Refused, and what `make` raises, QuotaExceeded as Refused."""
    try:
        return _decide(order, make)
    except QuotaExceeded as exceeded:
        raise over_quota_noted(order.actor.tenant, exceeded) from exceeded


def _known(order: Order) -> Known | None:
    """The tenant's stored result for the same, None where it has to be worked out."""
    for fingerprint, options in order.possible.items():
        known = reuse.finished(order.actor.tenant.id, options, fingerprint)
        if known is not None and order.is_answered_by(known.source):
            return known
    return None


def _accept_new(order: Order, upload: Received, source: str) -> Transcription:
    """Raises Refused and QuotaExceeded."""
    tenant = order.actor.tenant
    quota.check(tenant, seconds=1, size=upload.size)
    found = _probe(order.actor, upload, order.asked.audio_track)
    seconds = quota.billed_seconds(found.duration)
    quota.check(tenant, seconds, upload.size)
    recording = _recording(order.actor, upload, source)
    audio_tracks.describe(recording, found, order.asked.audio_track)
    return _keep(order, upload, recording, partial(_queue, order, recording, seconds, found))


def _accept_known(order: Order, upload: Received, source: str, known: Known) -> Transcription:
    """Raises Refused and QuotaExceeded: only the storage counts."""
    quota.check(order.actor.tenant, seconds=0, size=upload.size)
    recording, like = _recording(order.actor, upload, source), known.source.recording
    audio_tracks.describe_like(recording, like)
    playable_copies.take_over(recording, known.source)
    return _keep(order, upload, recording, partial(_reuse, order, recording, known))


def _answered(order: Order) -> Transcription | None:
    """What an earlier call made of the same, looked up before anything is done for this one. Raises Refused."""
    found = _earlier(order)
    if found is not None and (order.call.key or order.call.also):
        with transaction.atomic():
            tenant_lock.lock_for_adding(order.actor.tenant.id)
            _note(order, found)
    return found


def _decide(order: Order, make: Callable[[], Transcription]) -> Transcription:
    """In one transaction: what an earlier call made, else what `make` does. Raises Refused and QuotaExceeded."""
    with transaction.atomic():
        tenant_lock.lock_for_adding(order.actor.tenant.id)
        row = _earlier(order)
        if row is None:
            row = make()
        _note(order, row)
        return row


def _earlier(order: Order) -> Transcription | None:
    """Raises Refused."""
    try:
        found = idempotency.find(order.actor.tenant.id, order.call.key, order.digest)
    except KeyReused as error:
        message = _("This Idempotency-Key was used for another request. Use a new key for each new request.")
        raise Refused("idempotency_key_reused", message) from error
    if found is not None and found.recording.deleted_at is not None:
        raise Refused("deleted", _("The recording that this Idempotency-Key made was deleted. Use a new key."))
    if found is None and order.call.waits:
        return next((row for row in _under_way(order) if _waits_too(order, row)), None)
    return found


def _under_way(order: Order) -> list[Transcription]:
    rows = reuse.under_way(order.actor, list(order.possible))
    return [row for row in rows if order.is_answered_by(row)]


def _waits_too(order: Order, row: Transcription) -> bool:
    """False where it is over meanwhile."""
    return waiters.keep(row) if order.call.key else waiters.join(row)


def _note(order: Order, row: Transcription) -> None:
    idempotency.note(order.actor.tenant.id, order.call.key, order.digest, row)
    if order.call.also is not None:
        order.call.also(row)


def _probe(actor: Actor, upload: Received, asked: int) -> media.Probe:
    """`asked` is the number of an audio track, or 0. Raises Refused and InvalidOption."""
    longest = min(actor.tenant.quota.recording_seconds, settings.DECODED_SECONDS_LIMIT)
    budget = quota.standing(actor.tenant).left_seconds
    lend_connection()
    try:
        with PROBES.held(actor.tenant.id, PROBE_PATIENCE_SECONDS):
            return media.probe(upload.path, longest, budget, asked - 1 if asked else None, upload.file_name)
    except TooBusy:
        message = _("Too many of your files are being checked at once. Send this one again in a moment.")
        raise Refused("busy", message) from None
    except DecoderDied as died:
        log.warning("A file of tenant %s could not be read: %s", actor.tenant.id, died)
        message = _("Reading the file was interrupted, by no fault of its own. Send it again in a moment.")
        raise Refused("interrupted", message) from died
    except MediaError as error:
        if error.code == "too_long":
            raise over_quota(QuotaExceeded("recording_seconds", longest, longest, longest)) from error
        if error.code == audio_tracks.NO_SUCH_TRACK:
            raise audio_tracks.no_such_track(error.tracks) from error
        log.info("Refused a file of tenant %s: %s (%s)", actor.tenant.id, error.code, error)
        raise Refused(error.code, reason_for_people(error.code)) from error


def _recording(actor: Actor, upload: Received, source: str) -> Recording:
    """Without what is inside it."""
    recording_id = uuid.uuid4()
    return Recording(
        id=recording_id,
        tenant=actor.tenant,
        name=clean_name(upload.file_name),
        source=source,
        created_by=actor.user,
        api_key=actor.key,
        storage_key=storage.recording_key(actor.tenant.id, recording_id),
        bytes=upload.size,
        sha256=upload.sha256,
    )


def _keep(order: Order, upload: Received, recording: Recording, make: Callable[[], Transcription]) -> Transcription:
    """Stores first, then decides in one transaction; what was not taken there is deleted.

    After any other error nobody knows whether the transaction was committed: the sweeper looks, and decides.
    """
    lend_connection()
    if isinstance(upload, ReceivedInStorage):
        storage.copy_inside(upload.storage_key, recording.storage_key)
    else:
        storage.keep(upload.path, recording.storage_key)
    try:
        row = _decide(order, partial(_insert, order, recording, make))
    except (QuotaExceeded, Refused):
        _drop(recording)
        raise
    if row.recording_id != recording.id:
        _drop(recording)
    return row


def _insert(order: Order, recording: Recording, make: Callable[[], Transcription]) -> Transcription:
    quota.take_storage(recording.tenant, recording.bytes)
    recording.save(force_insert=True)
    search.note(recording.id)
    audit.record(order.actor, "recording.created", recording, source=recording.source, bytes=recording.bytes)
    return make()


def _drop(recording: Recording) -> None:
    storage.drop(recording.storage_key, *recording.copies)


def _another(order: Order, recording_id: UUID) -> Transcription:
    """Of two clicks one queues: the tenant's schedule is locked. Raises Http404, Refused and QuotaExceeded."""
    recording = _kept(order, recording_id)
    same = None if order.asked.temperature else _unfinished(order, recording)
    return same or _work_on(order, recording)


def _try_again(order: Order, row: Transcription) -> Transcription:
    """As `_another`, at any temperature. Raises Http404, Refused and QuotaExceeded."""
    recording = _kept(order, row.recording_id)
    if row.text_deleted_at is not None:
        gone = _("Its prompt and hotwords were deleted with its text. POST to %(path)s with the options that you want.")
        raise Refused("text_deleted", f"{retention.why_no_text(row)} {gone % _way_to_another(row)}")
    return _unfinished(order, recording) or _work_on(order, recording)


def _unfinished(order: Order, recording: Recording) -> Transcription | None:
    """One of this very recording that does what is asked for; whoever hangs up, it is finished."""
    fingerprint = order.options(recording).fingerprint(order.content_sha256)
    return next((row for row in reuse.unfinished(recording, fingerprint) if waiters.keep(row)), None)


def _kept(order: Order, recording_id: UUID) -> Recording:
    """The recording as it is now: with the tenant's schedule locked, nobody deletes it or its audio meanwhile.

    Raises Http404, Refused where its audio was deleted, and InvalidOption where it has no such audio track.
    """
    recording = Recording.objects.filter(tenant=order.actor.tenant, id=recording_id, deleted_at=None).first()
    if recording is None:
        raise Http404(_("There is no such recording."))
    if recording.audio_deleted_at is not None:
        raise Refused("audio_deleted", retention.why_no_audio(recording))
    audio_tracks.check(recording, order.asked.audio_track)
    return recording


def _work_on(order: Order, recording: Recording) -> Transcription:
    """Raises QuotaExceeded."""
    known = _known(order)
    if known is not None and len(recording.audio_tracks) < 2:
        return known.source if known.source.recording_id == recording.id else _reuse(order, recording, known)
    if known is not None and known.source.recording_id == recording.id:
        return known.source if known.source == recording.latest else _show_again(order, recording, known)
    return _queue(order, recording, quota.billed_seconds(recording.duration_seconds))


def _queue(order: Order, recording: Recording, seconds: int, found: media.Probe | None = None) -> Transcription:
    """One short transaction's worth: the rows, the reservation, and a wake-up on commit."""
    schedule = tenant_lock.lock(order.actor.tenant.id)
    row = _transcription(order, recording, order.options(recording))
    row.warnings = list(found.warnings) if found else []
    quota.reserve(order.actor.tenant, row.id, seconds, order.actor.user, order.actor.key)
    row.save(force_insert=True)
    fairness.enter(schedule, row)
    _tell_audit(order, row)
    if found and found.pcm and row.lane == Lane.INTERACTIVE:
        transaction.on_commit(partial(pcm_cache.put, row.id, found.pcm), robust=True)
    wakeups.wake_on_commit(row.lane)
    transaction.on_commit(partial(progress.changed, row.tenant_id, recording.id, row.id), robust=True)
    return row


def _show_again(order: Order, recording: Recording, known: Known) -> Transcription:
    """Of several tracks: the text of the one that is asked for, whose copy for the player is here, is the latest."""
    seconds = round(known.source.saved_seconds, 3)
    Recording.objects.filter(id=recording.id).update(duration_seconds=seconds, peaks=[])
    return _reuse(order, recording, known)


def _reuse(order: Order, recording: Recording, known: Known) -> Transcription:
    """The same promise, kept before: its text again, and nothing reserved or charged."""
    row = _transcription(order, recording, order.options(known.source.recording))
    reuse.complete(row, known)
    _tell_audit(order, row)
    return row


def _tell_audit(order: Order, row: Transcription) -> None:
    recording, reused = str(row.recording_id), row.is_reused
    audit.record(order.actor, "transcription.created", row, recording=recording, model=row.model, reused=reused)


def _transcription(order: Order, recording: Recording, options: TranscriptionOptions) -> Transcription:
    return Transcription(
        id=order.call.id,
        tenant=order.actor.tenant,
        recording=recording,
        model=options.model,
        task=options.task,
        language=options.language,
        prompt=options.prompt,
        temperature=options.temperature,
        word_timestamps=options.word_timestamps,
        mode=options.mode,
        hotwords=options.hotwords,
        beam_size=options.beam_size,
        audio_track=options.audio_track,
        languages=options.languages,
        lane=_lane(options.lane, recording.duration_seconds),
        audio_seconds=recording.duration_seconds,
        fingerprint=options.fingerprint(order.content_sha256),
        someone_waits=order.call.waits,
        waiters=1 if order.call.waits and not order.call.key else None,
    )


def _lane(wanted: int, duration: float) -> int:
    """Long recordings don't belong among the short ones that people wait for."""
    return Lane.STANDARD if wanted == Lane.INTERACTIVE and duration > INTERACTIVE_SECONDS else wanted

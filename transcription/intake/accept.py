"""Takes recordings in: accept, deduplicate, probe, store, commit. Whatever can refuse a request does so on this way.

What is refused is charged nothing and leaves nothing behind. Probing and storing are slow and come before the
commit, which is one short transaction.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from uuid import UUID

from django.utils.translation import gettext as _

from tenants import audit, quota
from tenants.access import Actor
from transcription import search
from transcription.connections import lend_connection
from transcription.errors import Refused
from transcription.folders import folders
from transcription.folders.visibility import among
from transcription.intake import commit, deduplicate
from transcription.intake.commit import quota_refusals
from transcription.intake.probe import probe
from transcription.intake.request import CallContext, ReceivedFile, ReceivedInStorage, TranscriptionRequest
from transcription.intake.reuse import FinishedResult
from transcription.library import recordings, retention, texts
from transcription.media import Probe, playable_copies, storage
from transcription.media.filenames import clean_name
from transcription.models import Folder, Loudness, Recording, Stage, Status, Transcription, Way
from transcription.options import audio_tracks, tenant_defaults
from transcription.options.options import TranscriptionOptions
from transcription.rules import applying
from transcription.rules.applying import Mailed, Ruling
from transcription.transcripts.terms import Correction

Insert = Callable[[TranscriptionRequest], Transcription]
"""Inserts a new recording's transcription by the request, as it is where the recording lies at the commit."""


def accept(
    actor: Actor,
    upload: ReceivedFile,
    options: TranscriptionOptions,
    source: str,
    call: CallContext | None = None,
    folder: Folder | None = None,
    way: str = "",
    mailed: Mailed | None = None,
) -> Transcription:
    """Stores a recording and queues its transcription, which is completed at once if a finished result is known.

    The folder is one that the caller has chosen by folders.chosen, `way` a Way where the source says too little,
    `mailed` how its e-mail came. The tenant's rules give defaults: what the request says itself stays. If an
    earlier call's transcription answers, returns that and stores nothing. Raises Refused, InvalidOption and
    PermissionDenied.
    """
    actor.require("recordings.create")
    if upload.size == 0:
        raise Refused("empty_file", _("The file is empty."))
    call = call or CallContext()
    request = TranscriptionRequest(actor, options, call, upload.sha256, folder=folder, arrival_seconds=upload.seconds)
    way = way or (Way.API if source == Recording.Source.API else Way.PORTAL)
    request = _ruled(request, applying.begin(actor, way, folder, clean_name(upload.file_name), mailed))
    if (existing := deduplicate.find_existing(request)) is not None:
        return commit.confirm(request, existing)
    recording = _new_recording(request, upload, source)
    with quota_refusals(actor.tenant):
        request, insert = _prepared(request, recording, upload)
    with call.stopwatch.stage(Stage.STORE):
        _store(upload, recording)
    return _commit_new(request, recording, insert)


def transcribe_again(
    actor: Actor,
    recording: Recording,
    options: TranscriptionOptions,
    call: CallContext | None = None,
    translates: Transcription | None = None,
) -> Transcription:
    """Queues another transcription of a stored recording, or returns what answers already, as `accept` does.

    One that `translates` another one of the recording stands beside it.

    At temperature 0 the recording's unfinished transcription under the same options answers; sampling makes a new
    one each time. Raises Refused, InvalidOption, PermissionDenied, and Http404 for a recording deleted meanwhile.
    """
    actor.require("recordings.create")
    among(actor, recording.folder).require("recordings.create")
    request = TranscriptionRequest(
        actor, options, call or CallContext(), recording.sha256, within=recording.folder, translates=translates
    )
    correction = _correction_of(request, deduplicate.find_finished(request))

    def insert() -> Transcription:
        stored = _stored_recording(request, recording.id)
        where_it_is = replace(request, within=stored.folder)  # it may have been moved meanwhile
        unfinished = None if options.temperature else deduplicate.find_unfinished(where_it_is, stored)
        return unfinished or _insert_for_stored(where_it_is, stored, correction)

    return commit.commit(request, insert)


def retry(actor: Actor, row: Transcription, call: CallContext | None = None) -> Transcription:
    """Queues a failed or cancelled transcription again, under the options that were asked for then.

    A translation stands beside its transcript again. The recording's unfinished transcription under the same options
    answers, at any temperature. Raises what `transcribe_again` raises; Refused also for a transcription that is queued,
    running or completed, or whose options retention deleted; InvalidOption also for a model that is no longer offered.
    """
    actor.require("recordings.create")
    among(actor, row.recording.folder).require("recordings.create")
    new_one = {"path": f"/api/v1/recordings/{row.recording_id}/transcriptions"}
    if not row.is_over:
        raise Refused("not_over", _("The transcription is not over: it is %s. Wait, or cancel it.") % row.status)
    if row.status == Status.COMPLETED:
        message = _("The transcription is done. POST to %(path)s for another one of its recording.")
        raise Refused("completed", message % new_one)
    options, named = tenant_defaults.requested(row, actor.tenant), TranscriptionOptions.from_row(row)
    request = TranscriptionRequest(
        actor,
        options,
        call or CallContext(),
        row.recording.sha256,
        named,
        within=row.recording.folder,
        translates=row.translates,
    )
    correction = _correction_of(request, deduplicate.find_finished(request))

    def insert() -> Transcription:
        stored = _stored_recording(request, row.recording_id)
        if row.text_deleted_at is not None:
            way = _(
                "Its prompt and hotwords were deleted with its text. POST to %(path)s with the options that you want."
            )
            raise Refused("text_deleted", f"{retention.why_no_text(row)} {way % new_one}")
        where_it_is = replace(request, within=stored.folder)  # it may have been moved meanwhile
        return deduplicate.find_unfinished(where_it_is, stored) or _insert_for_stored(where_it_is, stored, correction)

    return commit.commit(request, insert)


def _ruled(request: TranscriptionRequest, ruling: Ruling) -> TranscriptionRequest:
    """Returns the request with the options that the rules give it; by its own ones it is known again."""
    named = request.named_options or request.options
    within = ruling.folder() if request.folder is None else None
    return replace(request, options=ruling.options(named), named_options=named, ruling=ruling, within=within)


def _prepared(
    request: TranscriptionRequest, recording: Recording, upload: ReceivedFile
) -> tuple[TranscriptionRequest, Insert]:
    """Describes the recording, and returns the request with all rules that hold, and what inserts it.

    A file on whose sound rules depend is probed before results are looked for, since its options are not known sooner.
    Raises Refused, InvalidOption and QuotaExceeded.
    """
    found = None
    if request.ruling is not None and request.ruling.needs_sound:
        found = _probe(request, recording, upload)
        request = _ruled(request, request.ruling.heard(recording))
    if (result := deduplicate.find_finished(request)) is not None:
        return request, _described_like(request, recording, result)
    found = found or _probe(request, recording, upload)
    seconds = quota.billed_seconds(found.duration)
    quota.check(request.tenant, seconds, upload.size)
    return request, partial(commit.queue, recording=recording, seconds=seconds, found=found)


def _new_recording(request: TranscriptionRequest, upload: ReceivedFile, source: str) -> Recording:
    """Returns a recording that is not saved and says nothing about its content yet."""
    recording_id, actor = uuid.uuid4(), request.actor
    return Recording(
        id=recording_id,
        tenant=actor.tenant,
        name=clean_name(upload.file_name),
        source=source,
        created_by=actor.user,
        api_key=actor.key,
        folder=request.folder,
        storage_key=storage.recording_key(actor.tenant.id, recording_id),
        bytes=upload.size,
        sha256=upload.sha256,
    )


def _probe(request: TranscriptionRequest, recording: Recording, upload: ReceivedFile) -> Probe:
    """Describes the recording by a probe. Raises Refused, InvalidOption and QuotaExceeded."""
    quota.check(request.tenant, seconds=1, size=upload.size)
    with request.call.stopwatch.stage(Stage.PROBE):
        found = probe(request.actor, upload, request.options.audio_track)
    audio_tracks.describe(recording, found, request.options.audio_track)
    return found


def _described_like(request: TranscriptionRequest, recording: Recording, result: FinishedResult) -> Insert:
    """Describes the recording as the result's was described. Raises QuotaExceeded: only its storage counts."""
    quota.check(request.tenant, seconds=0, size=recording.bytes)
    audio_tracks.describe_like(recording, result.source.recording)
    playable_copies.copy_from(recording, result.source)
    correction = _correction_of(request, result)

    def insert(where_it_is: TranscriptionRequest) -> Transcription:
        if where_it_is.within == request.within:
            return commit.copy_result(where_it_is, recording, result, correction)
        return _insert_for_stored(where_it_is, recording, correction)

    return insert


def _correction_of(request: TranscriptionRequest, result: FinishedResult | None) -> Correction:
    """Returns what the terms replace, found in the text of a result before the transaction that copies it."""
    folder = request.folder or request.within
    correction = Correction.of(request.tenant.id, folder.id if folder else None)
    correction.prepare(segment.text for segment in (result.segments if result else ()))
    return correction


def _store(upload: ReceivedFile, recording: Recording) -> None:
    lend_connection()
    if isinstance(upload, ReceivedInStorage):
        storage.copy_inside(upload.storage_key, recording.storage_key)
    else:
        storage.save(upload.path, recording.storage_key)


def _commit_new(request: TranscriptionRequest, recording: Recording, insert: Insert) -> Transcription:
    """Commits a stored recording with its transcription; deletes it from storage if it was not taken. Raises Refused.

    After any other error the transaction may have been committed: what is stored is left to the sweeper, which looks.
    """

    def insert_both() -> Transcription:
        folders.require_addable(request.actor, request.folder)
        quota.take_storage(recording.tenant, recording.bytes)
        if request.ruling is not None:
            request.ruling.describe(recording)
        recording.save(force_insert=True)
        if request.ruling is not None:
            request.ruling.give(recording)
        search.index_recording(recording.id)
        audit.record(request.actor, "recording.created", recording, source=recording.source, bytes=recording.bytes)
        return insert(request if request.folder else replace(request, within=recording.folder))

    try:
        row = commit.commit(request, insert_both)
    except Refused:
        storage.discard(recording.storage_key, *recording.copies)
        raise
    if row.recording_id != recording.id:
        storage.discard(recording.storage_key, *recording.copies)
    return row


def _stored_recording(request: TranscriptionRequest, recording_id: UUID) -> Recording:
    """Reads a recording inside the commit, where nobody deletes it or its audio.

    Raises Http404, PermissionDenied, Refused if its audio was deleted, and InvalidOption if it has no such audio track.
    """
    recording = recordings.recording(request.actor, recording_id, permission="recordings.create")
    retention.require_audio(recording)
    audio_tracks.check(recording, request.options.audio_track)
    return recording


def _insert_for_stored(request: TranscriptionRequest, recording: Recording, correction: Correction) -> Transcription:
    """Returns or copies a finished result, or queues. Raises QuotaExceeded.

    An own result becomes the recording's latest again, with its corrections. For a file of several tracks results of
    other recordings, whose playable copies this one lacks, are not used. A translation beside a transcript doesn't
    stand for the recording's own text, nor for one beside another transcript: it is copied.
    """
    result, has_tracks = deduplicate.find_finished(request), len(recording.audio_tracks) > 1
    is_own = result is not None and result.source.recording_id == recording.id
    if result is None or (has_tracks and not is_own):
        return commit.queue(request, recording, quota.billed_seconds(recording.duration_seconds))
    is_beside = request.translates is not None
    stands_there = is_own and result.source.translates == request.translates
    if stands_there:
        if not is_beside:
            texts.make_latest(request.actor, result.source)
        return result.source
    if has_tracks and not is_beside:
        seconds = round(result.source.saved_seconds, 3)
        Recording.objects.filter(id=recording.id).update(duration_seconds=seconds, peaks=[])
        Loudness.objects.filter(recording=recording).delete()  # of another track
    is_moved = correction.folder_id != recording.folder_id
    now = _correction_of(request, result) if is_moved else correction
    return commit.copy_result(request, recording, result, now)

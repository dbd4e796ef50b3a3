"""From a received file to a queued transcription: everything that can refuse it does so here, for free."""

from __future__ import annotations

import logging
import unicodedata
import uuid
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Protocol

from django.conf import settings
from django.db import connection, transaction
from django.template.defaultfilters import date as date_format
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from tenants import quota
from tenants.access import Actor
from tenants.quota import QuotaExceeded
from transcription import fairness, handover, media, progress, queue, storage
from transcription.failures import reason_for_people
from transcription.media import MediaError
from transcription.models import Lane, Recording, Transcription
from transcription.options import TranscriptionOptions

log = logging.getLogger(__name__)
LONGEST_NAME = 255
INTERACTIVE_SECONDS = 300
STATUS_OF_LIMIT = {"upload_bytes": 413, "recording_seconds": 422, "monthly_seconds": 402, "stored_bytes": 402}


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


@dataclass(eq=False)
class Refused(Exception):
    """Not accepted, nothing charged, nothing kept. `message` names the cause and the way out."""

    code: str
    message: str
    status: int
    resets_at: datetime | None = None

    def __str__(self) -> str:
        return self.message


def accept(actor: Actor, upload: Received, options: TranscriptionOptions, source: str) -> Transcription:
    """Keeps the recording and queues its transcription. Raises Refused and PermissionDenied."""
    actor.require("recordings.create")
    if upload.size == 0:
        raise Refused("empty_file", _("The file is empty."), 400)
    try:
        quota.check(actor.tenant, seconds=1, size=upload.size)
        found = _probe(actor, upload)
        seconds = quota.billed_seconds(found.duration)
        quota.check(actor.tenant, seconds, upload.size)
        recording = _recording(actor, upload, found, source)
        return _keep(actor, upload, recording, options, seconds, found.pcm)
    except QuotaExceeded as exceeded:
        raise over_quota(exceeded) from exceeded


def again(actor: Actor, recording: Recording, options: TranscriptionOptions) -> Transcription:
    """Queues another transcription of a kept recording. Raises Refused and PermissionDenied."""
    actor.require("recordings.create")
    try:
        with transaction.atomic():
            return _queue(actor, recording, options, quota.billed_seconds(recording.duration_seconds))
    except QuotaExceeded as exceeded:
        raise over_quota(exceeded) from exceeded


def _probe(actor: Actor, upload: Received) -> media.Probe:
    longest = min(actor.tenant.quota.recording_seconds, settings.DECODED_SECONDS_LIMIT)
    budget = quota.standing(actor.tenant).left_seconds
    _lend_connection()
    try:
        return media.probe(upload.path, longest, budget)
    except MediaError as error:
        if error.code == "too_long":
            raise over_quota(QuotaExceeded("recording_seconds", longest, longest, longest)) from error
        log.info("Refused a file of tenant %s: %s (%s)", actor.tenant.id, error.code, error)
        raise Refused(error.code, reason_for_people(error.code), 422) from error


def _lend_connection() -> None:
    """Before something slow: the connection goes back to the pool."""
    if not connection.in_atomic_block:
        connection.close()


def _recording(actor: Actor, upload: Received, found: media.Probe, source: str) -> Recording:
    recording_id = uuid.uuid4()
    return Recording(
        id=recording_id,
        tenant=actor.tenant,
        name=clean_name(upload.file_name),
        source=source,
        created_by=actor.user,
        api_key=actor.key,
        storage_key=storage.recording_key(actor.tenant.id, recording_id),
        format=found.format,
        codec=found.codec,
        bytes=upload.size,
        sha256=upload.sha256,
        duration_seconds=found.duration,
    )


def _keep(
    actor: Actor, upload: Received, recording: Recording, options: TranscriptionOptions, seconds: int, pcm: bytes
) -> Transcription:
    """Stores first, then decides in one transaction; what was refused there is deleted.

    After any other error nobody knows whether the transaction was committed: the sweeper looks, and decides.
    """
    _lend_connection()
    storage.keep(upload.path, recording.storage_key)
    try:
        with transaction.atomic():
            fairness.lock(actor.tenant.id)
            quota.take_storage(actor.tenant, recording.bytes)
            recording.save(force_insert=True)
            return _queue(actor, recording, options, seconds, pcm)
    except QuotaExceeded:
        storage.delete(recording.storage_key)
        raise


def _queue(
    actor: Actor, recording: Recording, options: TranscriptionOptions, seconds: int, pcm: bytes = b""
) -> Transcription:
    """One short transaction's worth: the rows, the reservation, and the doorbell on commit."""
    turn = fairness.lock(actor.tenant.id)
    row = Transcription(
        tenant=actor.tenant,
        recording=recording,
        model=options.model,
        task=options.task,
        language=options.language,
        prompt=options.prompt,
        temperature=options.temperature,
        word_timestamps=options.word_timestamps,
        lane=_lane(options.lane, recording.duration_seconds),
        audio_seconds=recording.duration_seconds,
    )
    quota.reserve(actor.tenant, row.id, seconds, actor.user, actor.key)
    row.save(force_insert=True)
    fairness.enter(turn, row)
    if pcm and row.lane == Lane.INTERACTIVE:
        transaction.on_commit(partial(handover.leave, row.id, pcm), robust=True)
    queue.ring_on_commit(row.lane)
    transaction.on_commit(lambda: progress.changed(row.tenant_id, recording.id, row.id), robust=True)
    return row


def _lane(wanted: int, duration: float) -> int:
    """Long recordings don't belong among the short ones that people wait for."""
    return Lane.STANDARD if wanted == Lane.INTERACTIVE and duration > INTERACTIVE_SECONDS else wanted


def clean_name(file_name: str) -> str:
    """What people see of an uploaded file's name: no folders, no control characters, at most 255 characters."""
    base = file_name.replace("\\", "/").rsplit("/", 1)[-1]
    plain = "".join(c for c in unicodedata.normalize("NFC", base) if unicodedata.category(c)[0] != "C").strip()
    return plain[-LONGEST_NAME:] or _("Untitled recording")


def over_quota(exceeded: QuotaExceeded) -> Refused:
    """The refusal that says how much is needed, how much is left and when that changes."""
    return Refused(
        code=f"quota_{exceeded.limit_name}",
        message=_quota_message(exceeded),
        status=STATUS_OF_LIMIT[exceeded.limit_name],
        resets_at=exceeded.resets_at,
    )


def _quota_message(exceeded: QuotaExceeded) -> str:
    if exceeded.limit_name == "monthly_seconds":
        return _("This needs %(needed)s of audio, %(left)s are left this month; the quota resets on %(date)s.") % {
            "needed": minutes(exceeded.needed),
            "left": minutes(exceeded.left),
            "date": date_format(exceeded.resets_at, pgettext("date format", "j F Y")),
        }
    if exceeded.limit_name == "recording_seconds":
        return _("The recording is longer than the %(limit)s your organisation allows. Split it and try again.") % {
            "limit": minutes(exceeded.limit)
        }
    if exceeded.limit_name == "upload_bytes":
        return _("The file is larger than the %(limit)s your organisation allows. Split or compress it.") % {
            "limit": filesizeformat(exceeded.limit)
        }
    return _("This needs %(needed)s of storage, %(left)s are left. Delete recordings to make room.") % {
        "needed": filesizeformat(exceeded.needed),
        "left": filesizeformat(exceeded.left),
    }


def minutes(seconds: int) -> str:
    """Audio seconds as people say them: `45 s`, `20 min`, `7 min 30 s`."""
    whole, rest = divmod(seconds, 60)
    if not whole:
        return _("%(n)d s") % {"n": rest}
    text = ngettext("%(n)d min", "%(n)d min", whole) % {"n": whole}
    return f"{text} {rest} s" if rest else text

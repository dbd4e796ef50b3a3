"""The texts of a recording: one for each of its transcriptions, of which the latest is shown, searched and sent."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from tenants import audit
from tenants.access import Actor
from transcription import search, tenant_lock
from transcription.errors import Refused
from transcription.library import recordings, retention
from transcription.models import LATEST_FIRST, MAIN, Loudness, Recording, Status, Transcription
from transcription.queue import progress

PERMISSION = "transcripts.edit"


def finished(recording: Recording) -> QuerySet[Transcription]:
    """Returns the texts that are there, with how many speakers have a name (`named`), the latest first."""
    rows = Transcription.objects.filter(MAIN, recording=recording, status=Status.COMPLETED, text_deleted_at=None)
    named = Count("speaker_set", filter=~Q(speaker_set__name=""))
    return rows.defer("text", "prompt").annotate(named=named).order_by(*LATEST_FIRST)


def choose(actor: Actor, transcription_id: UUID) -> Transcription:
    """Makes a finished text its recording's latest again, as it was left.

    Raises Http404, PermissionDenied and Refused.
    """
    actor.require(PERMISSION)
    with transaction.atomic():
        tenant_lock.lock(actor.tenant.id)
        row = recordings.transcription(actor, transcription_id, MAIN, PERMISSION)
        if row.status != Status.COMPLETED:
            raise Refused("not_completed", _("The transcription is not done: it is %s.") % row.status)
        if row.text_deleted_at is not None:
            raise Refused("text_deleted", retention.why_no_text(row))
        make_latest(actor, row)
    return row


def make_latest(actor: Actor, row: Transcription) -> None:
    """Makes it the latest one of its recording, unless it is. Call with the tenant locked."""
    recording = row.recording
    latest = recording.transcriptions.filter(MAIN).order_by(*LATEST_FIRST).first()
    if latest == row:
        return
    row.chosen_at = timezone.now()
    row.save(update_fields=["chosen_at"])
    if len(recording.audio_tracks) > 1:  # the player plays the latest one's track
        seconds = round(row.saved_seconds, 3)
        Recording.objects.filter(id=recording.id).update(duration_seconds=seconds, peaks=[])
        Loudness.objects.filter(recording=recording).delete()
    Recording.note_change(recording.id)
    search.index_recording(recording.id)
    audit.record(actor, "transcript.chosen", row, recording=str(recording.id))
    transaction.on_commit(partial(progress.announce_change, row.tenant_id, recording.id, row.id), robust=True)

"""Moves recordings between folders."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from tenants import audit
from tenants.access import Actor
from transcription import tenant_lock
from transcription.errors import InvalidOption
from transcription.folders import folders
from transcription.folders.visibility import among
from transcription.library import recordings
from transcription.library.retention import OVER
from transcription.models import Folder, Recording, Transcription
from transcription.options import hotwords

PERMISSION = "recordings.delete"
"""Whoever moves a recording may take it from others' sight."""


def move(actor: Actor, recording_id: UUID, folder: Folder | None) -> Folder | None:
    """Moves a recording into a folder, or out of any, and returns the one that it was in.

    Links that were shared stay as they are. Raises Http404, Refused for a folder that is gone, InvalidOption for
    another person's private one, unless the recording is theirs, and PermissionDenied where the actor may not take it
    from where it is, or add nothing to the folder.
    """
    actor.require(PERMISSION)
    among(actor, folder).require(folders.ADD)
    with transaction.atomic():
        tenant_lock.lock(actor.tenant.id)
        folders.require_addable(actor, folder)
        row = recordings.recording(actor, recording_id, permission=PERMISSION)
        before = row.folder
        if before == folder:
            return before
        _require_own_place(actor, row, folder)
        if before is not None and before.restricted:
            actor.require_in_person()  # more people might see it
        Recording.objects.filter(id=row.id).update(folder=folder)
        _leave_terms_behind(row)
        ids = {"from": str(before.id) if before else None, "to": str(folder.id) if folder else None}
        audit.record(actor, "recording.moved", row, **ids)
    return before


def _leave_terms_behind(recording: Recording) -> None:
    """Takes the former folder's terms from what its transcriptions say that Whisper was reminded of.

    One that has not ended hears perhaps without them: it is not known by them any more.
    """
    for row in Transcription.objects.filter(recording=recording).exclude(folder_hotwords=""):
        row.hotwords, row.folder_hotwords = hotwords.without(row.folder_hotwords, row.hotwords), ""
        row.fingerprint = row.fingerprint if row.status in OVER else ""
        row.save(update_fields=["hotwords", "folder_hotwords", "fingerprint"])


def _require_own_place(actor: Actor, row: Recording, folder: Folder | None) -> None:
    """Raises InvalidOption. Who oversees all folders may put back there what is its person's."""
    if folder is None or Folder.objects.filter(folders.not_others(actor), id=folder.id).exists():
        return
    if folder.owner is None or row.created_by_id != folder.owner.user_id:
        raise InvalidOption(folders.PARAM, _("Only its person puts others’ recordings into a private folder."))

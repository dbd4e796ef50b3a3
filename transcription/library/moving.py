"""Moves recordings between folders."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.http import Http404
from django.utils.translation import gettext as _

from tenants import audit
from tenants.access import Actor
from transcription import tenant_lock
from transcription.folders import folders
from transcription.folders.visibility import among
from transcription.library import recordings
from transcription.models import Folder, Recording

PERMISSION = "recordings.delete"
"""Whoever moves a recording may take it from others' sight."""


def move(actor: Actor, recording_id: UUID, folder: Folder | None) -> Folder | None:
    """Moves a recording into a folder, or out of any, and returns the one that it was in.

    Links that were shared stay as they are. Raises Http404, Refused for a folder that is gone, and PermissionDenied
    where the actor may not take it from where it is, or add nothing to the folder.
    """
    actor.require(PERMISSION)
    row = recordings.recording(actor, recording_id, permission=PERMISSION)
    before = row.folder
    among(actor, folder).require(folders.ADD)
    if before == folder:
        return before
    with transaction.atomic():
        tenant_lock.lock(actor.tenant.id)
        folders.require_existing(folder)
        rows = Recording.objects.filter(tenant=actor.tenant, id=recording_id, folder=before, deleted_at=None)
        if not rows.update(folder=folder):
            raise Http404(_("There is no such recording."))
        ids = {"from": str(before.id) if before else None, "to": str(folder.id) if folder else None}
        audit.record(actor, "recording.moved", row, **ids)
    return before

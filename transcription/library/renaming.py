"""Renames recordings."""

from __future__ import annotations

import unicodedata
from functools import partial
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from tenants import audit
from tenants.access import Actor
from transcription import search, tenant_lock
from transcription.errors import InvalidOption
from transcription.library import recordings
from transcription.media.filenames import LONGEST_NAME, clean_name
from transcription.models import Recording
from transcription.queue import progress
from transcription.scripts import one_line

PERMISSION = "transcripts.edit"


def rename(actor: Actor, recording_id: UUID, sent: str) -> tuple[str, str]:
    """Gives a recording another name, and returns the one that it had and the one that it has.

    The audit log names neither for what is in a private folder, which keys that read the log don't see. Raises Http404,
    PermissionDenied and InvalidOption.
    """
    actor.require(PERMISSION)
    with transaction.atomic():
        tenant_lock.lock(actor.tenant.id)
        row = recordings.recording(actor, recording_id, permission=PERMISSION)
        name, before = checked_name(sent), row.name
        if before == name:
            return before, name
        Recording.objects.filter(id=row.id).update(name=name)
        search.index_recording(row.id)
        is_private = row.folder is not None and row.folder.is_private
        audit.record(actor, "recording.renamed", row, **({} if is_private else {"was": before, "name": name}))
        texts = list(row.transcriptions.values_list("id", flat=True))
        transaction.on_commit(partial(progress.announce_name, row.tenant_id, row.id, texts), robust=True)
    return before, name


def checked_name(sent: str) -> str:
    """Returns a name without control characters, and with “-” for the slashes of folders. Raises InvalidOption."""
    name = clean_name(one_line(sent).replace("/", "-").replace("\\", "-")) if len(sent) <= 4 * LONGEST_NAME else ""
    is_seen = any(unicodedata.category(c)[0] not in "CZ" for c in sent)
    if not is_seen or not name or len(unicodedata.normalize("NFC", one_line(sent))) > LONGEST_NAME:
        raise InvalidOption("name", _("A recording’s name has from 1 to %(n)d characters.") % {"n": LONGEST_NAME})
    return name

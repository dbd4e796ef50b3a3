"""Legal holds: a recording on hold is deleted by nobody, neither by retention."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from tenants import audit
from tenants.access import Actor
from tenants.shortcuts import first_or_404
from transcription import tenant_lock
from transcription.errors import Refused
from transcription.folders.visibility import seen
from transcription.models import Recording

PERMISSION = "holds.manage"
LONGEST_REASON = 300


def hold(actor: Actor, recording_id: UUID, reason: str | None = None) -> Recording:
    """Puts a recording on hold. One that is held stays so since when and by whom it is; a reason replaces its own.

    Raises Http404, and PermissionDenied.
    """
    with _locked(actor, recording_id) as row:
        given = None if reason is None else " ".join(reason.split())[:LONGEST_REASON]
        if row.held_at is None:
            row.held_at, row.held_by, row.hold_reason = timezone.now(), actor.name[:254], given or ""
            audit.record(actor, "hold.placed", row)
        elif given is not None and given != row.hold_reason:
            audit.record(actor, "hold.changed", row, was=row.hold_reason)
            row.hold_reason = given
    return row


def release(actor: Actor, recording_id: UUID) -> Recording:
    """Ends a recording's hold. Raises Http404, and PermissionDenied."""
    with _locked(actor, recording_id) as row:
        if row.held_at is not None:
            row.held_at, row.held_by, row.hold_reason = None, "", ""
            audit.record(actor, "hold.released", row)
    return row


def require_none(row: Recording) -> None:
    """Raises Refused for a recording on hold."""
    if row.held_at is not None:
        message = _("This recording is on legal hold since %(date)s, by %(who)s: it can’t be deleted before it ends.")
        raise Refused("on_hold", message % {"date": f"{row.held_at:%Y-%m-%d}", "who": row.held_by})


@contextmanager
def _locked(actor: Actor, recording_id: UUID) -> Iterator[Recording]:
    """Yields a recording under the tenant's lock, which whatever deletes takes, and saves what its hold is then."""
    actor.require(PERMISSION)
    with transaction.atomic():
        tenant_lock.lock(actor.tenant.id)
        row = first_or_404(
            Recording.objects.filter(seen(actor), tenant=actor.tenant, id=recording_id, deleted_at=None),
            _("There is no such recording."),
        )
        yield row
        row.save(update_fields=["held_at", "held_by", "hold_reason"])

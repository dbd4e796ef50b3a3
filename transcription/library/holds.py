"""Legal holds: a recording on hold is deleted by nobody, neither by retention."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext as _

from tenants import audit
from tenants.access import Actor
from transcription import tenant_lock
from transcription.errors import Refused
from transcription.folders.visibility import seen
from transcription.models import Recording

PERMISSION = "holds.manage"
LONGEST_REASON = 300


def hold(actor: Actor, recording_id: UUID, reason: str) -> Recording:
    """Puts a recording on hold. Raises Http404, and PermissionDenied."""
    return _set(actor, recording_id, held=True, reason=reason)


def release(actor: Actor, recording_id: UUID) -> Recording:
    """Ends a recording's hold. Raises Http404, and PermissionDenied."""
    return _set(actor, recording_id, held=False)


def require_none(row: Recording) -> None:
    """Raises Refused for a recording on hold."""
    if row.held_at is not None:
        message = _("This recording is on legal hold since %(date)s, by %(who)s: it can’t be deleted before it ends.")
        raise Refused("on_hold", message % {"date": f"{row.held_at:%Y-%m-%d}", "who": row.held_by})


def _set(actor: Actor, recording_id: UUID, *, held: bool, reason: str = "") -> Recording:
    """Takes the tenant's lock, as whatever deletes does."""
    actor.require(PERMISSION)
    with transaction.atomic():
        tenant_lock.lock(actor.tenant.id)
        row = Recording.objects.filter(seen(actor), tenant=actor.tenant, id=recording_id, deleted_at=None).first()
        if row is None:
            raise Http404(_("There is no such recording."))
        row.held_at = timezone.now() if held else None
        row.held_by = actor.name[:254] if held else ""
        row.hold_reason = " ".join(reason.split())[:LONGEST_REASON] if held else ""
        row.save(update_fields=["held_at", "held_by", "hold_reason"])
        audit.record(actor, "hold.placed" if held else "hold.released", row)
    return row

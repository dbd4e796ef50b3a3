"""Who did what, when and from where. Append-only; never with a transcript's text, a prompt or a secret.

Write an entry in the transaction of the change it tells of, so that neither is there without the other:

    with transaction.atomic():
        ...
        audit.record(actor, "webhook.created", webhook, events=["transcription.completed"])

What may happen many times a minute and says nothing new is written with `record_once`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from django.conf import settings
from django.db.models import Model, Q, QuerySet
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from tenants import scope
from tenants.access import Actor
from tenants.models import AuditEntry, Tenant

Detail = str | int | float | bool | Sequence[str] | None
BATCH = 1000
LONGEST_DETAILS = 4000
ACTION = re.compile(r"[a-z_]{1,20}\.[a-z_]{1,19}")
NEVER = {"secret", "digest", "password", "text", "prompt", "hotwords", "query", "words"}
SEARCHED = "transcript.searched"
ACTIONS: dict[str, Promise] = {
    "recording.created": _("Recording added"),
    "recording.deleted": _("Recording deleted"),
    "recording.restored": _("Recording brought back"),
    "recording.erased": _("Recording deleted for good"),
    "transcription.created": _("Transcription ordered"),
    "transcription.cancelled": _("Transcription cancelled"),
    "transcript.read": _("Transcript read"),
    "transcript.corrected": _("Transcript corrected"),
    "transcript.exported": _("Transcript exported"),
    SEARCHED: _("Transcripts searched"),
    "audio.played": _("Audio played"),
    "audio.exported": _("Audio downloaded"),
    "key.created": _("API key created"),
    "key.changed": _("API key changed"),
    "key.rotated": _("API key rotated"),
    "key.old_secret_ended": _("Old secret of an API key ended"),
    "key.revoked": _("API key revoked"),
    "key.kept": _("API key of somebody who left kept"),
    "preferences.changed": _("Preferences changed"),
    "webhook.created": _("Webhook created"),
    "webhook.changed": _("Webhook changed"),
    "webhook.deleted": _("Webhook deleted"),
    "member.added": _("Member added"),
    "member.changed": _("Member changed"),
    "member.removed": _("Member removed"),
    "member.email_changed": _("E-mail address changed"),
    "member.password_changed": _("Password changed"),
    "member.signed_in": _("Signed in"),
    "member.signed_out": _("Signed out"),
    "member.sign_in_failed": _("Sign-in refused"),
    "quota.changed": _("Limits changed"),
    "tenant.created": _("Organisation created"),
    "tenant.changed": _("Organisation changed"),
    "tenant.exported": _("Everything of the organisation downloaded"),
    "audit.exported": _("Audit log downloaded"),
}


@dataclass(frozen=True)
class Filter:
    """Which entries are wanted. Empty leaves everything in.

    `actor` is an id, an e-mail address, the name of a key or a kind of actor; `since` counts, `until` does not.
    """

    action: str = ""
    actor: str = ""
    object_id: str = ""
    since: datetime | None = None
    until: datetime | None = None


def record(actor: Actor, action: str, obj: Model | None = None, **details: Detail) -> None:
    """Writes one entry: one INSERT, in the caller's transaction where there is one.

    `details` are a few small facts, ids and names of fields. Raises ValueError for an action that is not like
    `noun.verb`, and for details that are too long or have the name of what is never kept.
    """
    with scope.bound(actor.tenant.id):
        _entry(actor, action, obj, details).save()


def record_once(actor: Actor, action: str, obj: Model, within: timedelta, place: int = 0, **details: Detail) -> None:
    """Writes an entry unless there is one already of this act, on this object, at this `place`, by this actor.

    Time is cut into pieces of `within`; each has one such entry at most. One INSERT that does nothing where a row
    stands: no two that race both write. Raises ValueError as `record` does.
    """
    entry = _entry(actor, action, obj, details)
    piece = int(entry.created_at.timestamp() // within.total_seconds())
    act = (action, entry.actor_kind, entry.actor_id, entry.object_type, entry.object_id, place, within, piece)
    entry.once = uuid5(actor.tenant.id, repr(tuple(map(str, act))))
    with scope.bound(actor.tenant.id):
        AuditEntry.objects.bulk_create([entry], ignore_conflicts=True)


def _entry(actor: Actor, action: str, obj: Model | None, details: dict[str, Detail]) -> AuditEntry:
    """Raises ValueError."""
    if not ACTION.fullmatch(action):
        raise ValueError(f"An action is like “noun.verb”, not {action!r}.")
    if forbidden := NEVER & details.keys():
        raise ValueError(f"Never kept in the audit log: {', '.join(sorted(forbidden))}.")
    if len(json.dumps(details)) > LONGEST_DETAILS:
        raise ValueError(f"The details of {action} are longer than {LONGEST_DETAILS} characters.")
    kind, actor_id, name = _who(actor)
    return AuditEntry(
        tenant=actor.tenant,
        actor_kind=kind,
        actor_id=actor_id,
        actor_name=name,
        address=actor.address,
        action=action,
        object_type=str(obj._meta.model_name) if obj is not None else "",
        object_id=str(obj.pk) if obj is not None else "",
        details=details,
    )


def entries(actor: Actor, wanted: Filter | None = None) -> QuerySet[AuditEntry]:
    """The actor's tenant's entries, the newest first. Raises PermissionDenied."""
    actor.require("audit.view")
    return _of_tenant(actor.tenant, wanted or Filter())


def batches(tenant: Tenant, wanted: Filter) -> Iterator[list[AuditEntry]]:
    """The newest first, BATCH entries at a time; each batch is a query of its own. Ask `entries` first."""
    rows = _of_tenant(tenant, wanted)
    batch = list(rows[:BATCH])
    while batch:
        yield batch
        batch = list(after(rows, batch[-1].created_at, batch[-1].pk)[:BATCH])


def after(rows: QuerySet[AuditEntry], moment: datetime, row_id: int) -> QuerySet[AuditEntry]:
    """What follows an entry in the order of `entries`."""
    return rows.filter(Q(created_at__lt=moment) | Q(id__lt=row_id), created_at__lte=moment)


def forget_old() -> int:
    """Deletes entries that are older than AUDIT_RETENTION_DAYS; how many. 0 days keep everything."""
    if settings.AUDIT_RETENTION_DAYS <= 0:
        return 0
    with scope.across_tenants("the sweeper serves every tenant"):
        return AuditEntry.objects.forget_before(timezone.now() - timedelta(days=settings.AUDIT_RETENTION_DAYS))


def _of_tenant(tenant: Tenant, wanted: Filter) -> QuerySet[AuditEntry]:
    rows = AuditEntry.objects.filter(tenant=tenant).order_by("-created_at", "-id")
    if "\x00" in wanted.action + wanted.actor + wanted.object_id:
        return rows.none()
    if wanted.action:
        rows = rows.filter(action=wanted.action)
    if wanted.actor:
        rows = rows.filter(_is(wanted.actor))
    if wanted.object_id:
        rows = rows.filter(_is_of(wanted.object_id))
    if wanted.since is not None:
        rows = rows.filter(created_at__gte=wanted.since)
    if wanted.until is not None:
        rows = rows.filter(created_at__lt=wanted.until)
    return rows


def _is(who: str) -> Q:
    """An operator is asked for by kind only: who it was is not the tenant's business."""
    named = Q(actor_id=who) | Q(actor_name__iexact=who)
    return Q(actor_kind=who) | (named & ~Q(actor_kind=AuditEntry.Kind.OPERATOR))


def _is_of(object_id: str) -> Q:
    """A search shows the text of several transcriptions, and names them in its details."""
    try:
        shown = str(UUID(object_id))
    except ValueError:
        return Q(object_id=object_id)
    return Q(object_id=object_id) | Q(action=SEARCHED, details__transcriptions__icontains=shown)


def _who(actor: Actor) -> tuple[str, str, str]:
    """Kind, id and name. Nobody is left where work goes on for a key or a member that is gone."""
    if actor.key is not None:
        return AuditEntry.Kind.KEY, str(actor.key.id), actor.key.name
    if actor.member is not None:
        return AuditEntry.Kind.MEMBER, str(actor.member.user_id), actor.member.user.email
    if actor.operator is not None:
        return AuditEntry.Kind.OPERATOR, str(actor.operator.pk), actor.operator.email
    return (AuditEntry.Kind.UNKNOWN if actor.is_stranger else AuditEntry.Kind.SYSTEM), "", ""

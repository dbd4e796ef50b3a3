"""The audit log: who did what, when and from where. Append-only, without transcripts' text, prompts or secrets.

Write an entry in the transaction of the change that it describes, so that both are committed or neither:

    with transaction.atomic():
        ...
        audit.record(actor, "webhook.created", webhook, events=["transcription.completed"])

Use `record_once` for events that repeat many times a minute.
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
FOR_A_MEMBER, LONGEST_PART = "operator %s for member %s", 115
ACTION = re.compile(r"[a-z_]{1,20}\.[a-z_]{1,19}")
NEVER = {"secret", "digest", "password", "text", "prompt", "hotwords", "query", "words"}
SEARCHED = "transcript.searched"
ACTIONS: dict[str, Promise] = {
    "recording.created": _("Recording added"),
    "recording.deleted": _("Recording deleted"),
    "recording.restored": _("Recording brought back"),
    "recording.moved": _("Recording moved to another folder"),
    "recording.renamed": _("Recording renamed"),
    "recording.erased": _("Recording deleted for good"),
    "bin.emptied": _("Bin emptied"),
    "hold.placed": _("Recording put on legal hold"),
    "hold.changed": _("Reason of a legal hold changed"),
    "hold.released": _("Legal hold of a recording ended"),
    "transcription.created": _("Transcription ordered"),
    "transcription.cancelled": _("Transcription cancelled"),
    "transcription.moved": _("Transcription moved to another lane"),
    "transcript.read": _("Transcript read"),
    "transcript.corrected": _("Transcript corrected"),
    "transcript.chosen": _("Earlier text chosen again"),
    "transcript.struck": _("Words or sound struck out"),
    "transcript.unstruck": _("Struck words or sound given back"),
    "video.asked": _("Video with subtitles asked for"),
    "video.deleted": _("Video with subtitles deleted"),
    "comment.created": _("Comment added"),
    "comment.changed": _("Comment changed"),
    "comment.resolved": _("Comment resolved"),
    "comment.opened": _("Comment opened again"),
    "comment.deleted": _("Comment deleted"),
    "comment.all_deleted": _("Comments by a share link deleted"),
    "transcript.checked": _("Transcript checked"),
    "transcript.exported": _("Transcript exported"),
    "transcript.erased": _("Transcript erased at its time"),
    SEARCHED: _("Transcripts searched"),
    "audio.played": _("Audio played"),
    "audio.exported": _("Audio downloaded"),
    "audio.erased": _("Audio erased at its time"),
    "receipt.made": _("Receipt of a recording made"),
    "share.created": _("Share link made"),
    "share.opened": _("Share link opened"),
    "share.exported": _("Downloaded by a share link"),
    "share.kept": _("Share link of somebody who left kept"),
    "share.revoked": _("Share link revoked"),
    "key.created": _("API key created"),
    "key.changed": _("API key changed"),
    "key.rotated": _("API key rotated"),
    "key.old_secret_ended": _("Old secret of an API key ended"),
    "key.revoked": _("API key revoked"),
    "key.kept": _("API key of somebody who left kept"),
    "preferences.changed": _("Settings changed"),
    "term.created": _("Term added"),
    "term.changed": _("Term changed"),
    "term.deleted": _("Term deleted"),
    "term.imported": _("Terms imported"),
    "tag.created": _("Tag added"),
    "tag.changed": _("Tag changed"),
    "tag.merged": _("Tag merged into another one"),
    "tag.deleted": _("Tag deleted"),
    "tag.retention_changed": _("How long recordings with a tag are kept, changed"),
    "rule.created": _("Rule made"),
    "rule.changed": _("Rule changed"),
    "rule.deleted": _("Rule deleted"),
    "place.created": _("Folder or bucket for exports made"),
    "place.changed": _("Folder or bucket for exports changed"),
    "place.tested": _("Folder or bucket for exports tested"),
    "place.deleted": _("Folder or bucket for exports deleted"),
    "view.shared": _("View of the library saved for everybody"),
    "view.renamed": _("Everybody’s view of the library renamed"),
    "view.deleted": _("Everybody’s view of the library deleted"),
    "folder.created": _("Folder made"),
    "folder.changed": _("Folder changed"),
    "folder.deleted": _("Folder deleted"),
    "folder.retention_changed": _("How long what is in a folder is kept, changed"),
    "folder.member_set": _("Member of a folder added or changed"),
    "folder.member_removed": _("Member of a folder removed"),
    "webhook.created": _("Webhook created"),
    "webhook.changed": _("Webhook changed"),
    "webhook.deleted": _("Webhook deleted"),
    "invitation.created": _("Invitation sent"),
    "invitation.renewed": _("Invitation sent again"),
    "invitation.revoked": _("Invitation revoked"),
    "member.added": _("Member added"),
    "member.changed": _("Member changed"),
    "member.removed": _("Member removed"),
    "member.email_changed": _("E-mail address changed"),
    "member.renamed": _("Name changed"),
    "member.password_changed": _("Password changed"),
    "member.signed_in": _("Signed in"),
    "member.signed_out": _("Signed out"),
    "member.session_ended": _("Device signed out"),
    "member.sign_in_failed": _("Sign-in refused"),
    "member.address_refused": _("Kept out by the address"),
    "member.guessed_at": _("Password or second factor guessed at"),
    "member.factor_added": _("Second factor added"),
    "member.factor_removed": _("Second factor removed"),
    "member.factors_reset": _("Second factors reset"),
    "member.code_used": _("Recovery code used"),
    "member.provider_tied": _("Known to the identity provider"),
    "provider.changed": _("Identity provider changed"),
    "provider.removed": _("Identity provider removed"),
    "provider.refused": _("Sign-in by the identity provider refused"),
    "voice.enrolled": _("Voice enrolled"),
    "voice.revoked": _("Enrolled voice deleted"),
    "voice.names_removed": _("Recognised names removed"),
    "directory.token_made": _("Directory token made"),
    "directory.token_revoked": _("Directory token revoked"),
    "quota.changed": _("Limits changed"),
    "tenant.created": _("Organisation created"),
    "tenant.changed": _("Organisation changed"),
    "tenant.suspended": _("Organisation suspended"),
    "tenant.exported": _("Everything of the organisation downloaded"),
    "data.exported": _("Data exported by whoever runs the portal"),
    "support.began": _("Support began to act for a member"),
    "support.ended": _("Support ended acting for a member"),
    "audit.exported": _("Audit log downloaded"),
}


@dataclass(frozen=True)
class Filter:
    """Selects audit entries; empty fields select all.

    `actor` is an id, an e-mail address, the name of a key or a kind of actor; `since` is inclusive, `until` exclusive.
    """

    action: str = ""
    actor: str = ""
    object_id: str = ""
    since: datetime | None = None
    until: datetime | None = None


def record(actor: Actor, action: str, obj: Model | None = None, **details: Detail) -> None:
    """Writes one entry by one INSERT, in the caller's transaction if there is one.

    `details` are a few small facts, ids and field names. Raises ValueError for an action not of the form `noun.verb`,
    and for details that are too long or have a name of NEVER.
    """
    with scope.bound(actor.tenant.id):
        _entry(actor, action, obj, details).save()


def record_once(
    actor: Actor, action: str, obj: Model | None, within: timedelta, slot: int = 0, **details: Detail
) -> None:
    """Writes an entry unless this actor has one of this action on this object in this `slot` already.

    Time is divided into periods of `within`, and each has at most one such entry: one INSERT that ignores conflicts,
    so that of concurrent calls one writes. Raises ValueError as `record` does.
    """
    entry = _entry(actor, action, obj, details)
    period = int(entry.created_at.timestamp() // within.total_seconds())
    event = (action, entry.actor_kind, entry.actor_id, entry.object_type, entry.object_id, slot, within, period)
    entry.once = uuid5(actor.tenant.id, repr(tuple(map(str, event))))
    with scope.bound(actor.tenant.id):
        AuditEntry.objects.bulk_create([entry], ignore_conflicts=True)


def _entry(actor: Actor, action: str, obj: Model | None, details: dict[str, Detail]) -> AuditEntry:
    """Raises ValueError."""
    if not ACTION.fullmatch(action):
        raise ValueError(f"An action must have the form “noun.verb”, not {action!r}.")
    if actor.guest is not None and actor.guest.visitor:
        details = details | {"visitor": actor.guest.visitor}
    if forbidden := NEVER & details.keys():
        raise ValueError(f"Never kept in the audit log: {', '.join(sorted(forbidden))}.")
    if len(json.dumps(details, ensure_ascii=False)) > LONGEST_DETAILS:
        raise ValueError(f"The details of {action} are longer than {LONGEST_DETAILS} characters.")
    kind, actor_id, name = _identity(actor)
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
    """Returns the entries of the actor's tenant, newest first. Raises PermissionDenied."""
    actor.require("audit.view")
    return _of_tenant(actor.tenant, wanted or Filter())


def batches(tenant: Tenant, wanted: Filter) -> Iterator[list[AuditEntry]]:
    """Yields entries newest first, BATCH at a time, each batch by its own query. Checks no permission."""
    rows = _of_tenant(tenant, wanted)
    batch = list(rows[:BATCH])
    while batch:
        yield batch
        batch = list(after(rows, batch[-1].created_at, batch[-1].pk)[:BATCH])


def after(rows: QuerySet[AuditEntry], moment: datetime, row_id: int) -> QuerySet[AuditEntry]:
    """Returns the rows that follow the entry (`moment`, `row_id`) in the order of `entries`."""
    return rows.filter(Q(created_at__lt=moment) | Q(id__lt=row_id), created_at__lte=moment)


def forget_old() -> int:
    """Deletes entries older than AUDIT_RETENTION_DAYS and returns their number. 0 days keep everything."""
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
        rows = rows.filter(_by_actor(wanted.actor))
    if wanted.object_id:
        rows = rows.filter(_by_object(wanted.object_id))
    if wanted.since is not None:
        rows = rows.filter(created_at__gte=wanted.since)
    if wanted.until is not None:
        rows = rows.filter(created_at__lt=wanted.until)
    return rows


def _by_actor(actor: str) -> Q:
    """Operators match by kind only: tenants don't learn which operator acted."""
    named = Q(actor_id=actor) | Q(actor_name__iexact=actor)
    for_them = Q(actor_kind=AuditEntry.Kind.SUPPORT, actor_name__iendswith=f" for member {actor}")
    return Q(actor_kind=actor) | (named & ~Q(actor_kind=AuditEntry.Kind.OPERATOR)) | for_them


def _by_object(object_id: str) -> Q:
    """Matches searches too, which list the transcriptions whose text they returned in their details."""
    try:
        transcription_id = str(UUID(object_id))
    except ValueError:
        return Q(object_id=object_id)
    return Q(object_id=object_id) | Q(action=SEARCHED, details__transcriptions__icontains=transcription_id)


def _identity(actor: Actor) -> tuple[str, str, str]:
    """Returns kind, id and name; the last two are empty if the key or member has been deleted."""
    if actor.operator is not None and actor.member is not None:
        names = (actor.operator.email[:LONGEST_PART], actor.member.user.email[:LONGEST_PART])
        return AuditEntry.Kind.SUPPORT, str(actor.operator.pk), FOR_A_MEMBER % names
    if actor.key is not None:
        return AuditEntry.Kind.KEY, str(actor.key.id), actor.key.name
    if actor.member is not None:
        return AuditEntry.Kind.MEMBER, str(actor.member.user_id), actor.member.user.email
    if actor.guest is not None:
        return AuditEntry.Kind.GUEST, str(actor.guest.link), actor.guest.full_name
    if actor.directory is not None:
        return AuditEntry.Kind.DIRECTORY, str(actor.directory.id), actor.directory.name
    if actor.operator is not None:
        return AuditEntry.Kind.OPERATOR, str(actor.operator.pk), actor.operator.email
    return (AuditEntry.Kind.UNKNOWN if actor.is_stranger else AuditEntry.Kind.SYSTEM), "", ""

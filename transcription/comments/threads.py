"""The comments of a recording: read, made, changed, resolved and deleted. A change is one short transaction."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Prefetch, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from tenants import audit
from tenants.access import Actor
from tenants.shortcuts import first_or_404
from tenants.throttle import Limit
from transcription import tenant_lock
from transcription.comments import mentions
from transcription.errors import InvalidOption, Refused
from transcription.library import recordings, retention
from transcription.models import Comment, Recording, Transcription
from transcription.models.comment import HIGHLIGHTS, LONGEST_COMMENT
from transcription.queue import progress

PERMISSION = "comments.write"
MODERATE = "people.manage"
MOST = 1000
MOST_OF_GUESTS = 300
STATES = ("open", "resolved")
ORDER = ("start", "id")
PACE = Limit("comments of a person", 100, 600)
"""As fast as nobody reads and writes; programs and links have limits of their own."""


def threads(actor: Actor, recording_id: UUID, state: str = "") -> QuerySet[Comment]:
    """Returns the first comments of threads, by their place, each with its `replies`. Raises Http404."""
    recordings.recording(actor, recording_id)
    rows = Comment.objects.filter(tenant=actor.tenant, recording=recording_id, parent=None)
    if state:
        rows = rows.filter(resolved_at__isnull=state == "open")
    people = ("made_by", "api_key", "resolved_by")
    replies = Comment.objects.select_related(*people).prefetch_related("mentions__user").order_by("made_at", "id")
    rows = rows.select_related(*people).prefetch_related(Prefetch("replies", replies), "mentions__user")
    return rows.order_by(*ORDER)


def of_file(actor: Actor, recording_id: UUID, format: str, *, wanted: bool) -> list[Comment]:
    """Returns the threads that a file has, if they are wanted. Raises Http404, and InvalidOption for other formats."""
    if wanted and format != "docx":
        message = _("Only Word documents have comments; omit “comments” for %(format)s.")
        raise InvalidOption("comments", message % {"format": format})
    return list(threads(actor, recording_id)) if wanted else []


def comment(
    actor: Actor, recording_id: UUID, start: float, end: float, text: object = "", colour: object = 0
) -> Comment:
    """Comments on a passage, or highlights it without a text.

    Raises Http404, InvalidOption, Refused and TextDeleted.
    """
    actor.require(PERMISSION)
    recording = recordings.recording(actor, recording_id)
    start, end = round(start, 3), round(min(end, recording.duration_seconds), 3)
    if not 0 <= start < end:
        raise InvalidOption("end", _("A passage must end after it starts, and start within the recording."))
    row = Comment(start=start, end=end, text=checked_text(text), colour=_checked_colour(colour))
    return _insert(actor, recording, row)


def reply(actor: Actor, recording_id: UUID, parent_id: UUID, text: object) -> Comment:
    """Replies to a comment. Raises Http404, InvalidOption, Refused and TextDeleted."""
    actor.require(PERMISSION)
    recording = recordings.recording(actor, recording_id)
    words = checked_text(text)
    if not words:
        raise InvalidOption("text", _("Write something."))
    with transaction.atomic():
        tenant_lock.lock_for_adding(actor.tenant.id)
        parent = _get(actor, recording_id, parent_id)
        row = Comment(start=parent.start, end=parent.end, text=words, parent_id=parent.parent_id or parent.pk)
        return _insert(actor, recording, row)


def change(actor: Actor, recording_id: UUID, comment_id: UUID, text: object = None, colour: object = None) -> Comment:
    """Gives one's own comment another text or colour; None leaves it.

    Raises Http404, InvalidOption and PermissionDenied.
    """
    actor.require(PERMISSION)
    words = None if text is None else checked_text(text)
    with transaction.atomic():
        tenant_lock.lock(actor.tenant.id)
        row = _get(actor, recording_id, comment_id)
        _require_own(actor, row)
        if words == "" and (row.parent_id or row.replies.exists()):
            raise InvalidOption("text", _("Write something."))
        former = (row.text, row.colour)
        if words is not None and words != row.text:
            row.text, row.edited_at = words, timezone.now()
        if colour is not None:
            row.colour = _checked_colour(colour)
        if (row.text, row.colour) != former:
            row.save(update_fields=["text", "colour", "edited_at"])
            mentions.note(actor, row)
            _tell(actor, row, "comment.changed")
    return row


def resolve(actor: Actor, recording_id: UUID, comment_id: UUID, *, again: bool = False) -> Comment:
    """Resolves a thread, or opens it `again`. Raises Http404, and InvalidOption for a reply."""
    actor.require(PERMISSION)
    with transaction.atomic():
        tenant_lock.lock(actor.tenant.id)
        row = _get(actor, recording_id, comment_id)
        if row.parent_id is not None:
            raise InvalidOption("resolved", _("Only the first comment of a thread can be resolved."))
        if again == (row.resolved_at is not None):
            row.resolved_at = None if again else timezone.now()
            row.resolved_by = None if again else actor.user
            row.resolved_by_guest = "" if again or actor.user else actor.name[:254]
            row.save(update_fields=["resolved_at", "resolved_by", "resolved_by_guest"])
            _tell(actor, row, "comment.opened" if again else "comment.resolved")
    return row


def delete(actor: Actor, recording_id: UUID, comment_id: UUID) -> None:
    """Deletes one's own comment with its replies; who manages people, and a key, deletes others', too.

    A guest deletes nothing that was answered. Raises Http404 and PermissionDenied.
    """
    actor.require(PERMISSION)
    with transaction.atomic():
        tenant_lock.lock(actor.tenant.id)
        row = _get(actor, recording_id, comment_id)
        if not may_moderate(actor):
            _require_own(actor, row)
        if actor.guest is not None and row.replies.exists():
            raise PermissionDenied(_("This comment was answered: resolve it instead."))
        _tell(actor, row, "comment.deleted")
        row.delete()


def may_moderate(actor: Actor) -> bool:
    """Returns whether somebody may delete others' comments: keys speak for the organisation."""
    return actor.may(MODERATE) or (actor.key is not None and actor.may(PERMISSION))


def is_own(actor: Actor, row: Comment) -> bool:
    if actor.user is not None:
        return row.made_by_id == actor.user.pk
    if actor.guest is not None:
        return row.visit == actor.guest.visit
    return actor.key is not None and row.api_key_id == actor.key.pk


def checked_text(value: object) -> str:
    """Returns a comment's text, trimmed. Raises InvalidOption."""
    if not isinstance(value, str):
        raise InvalidOption("text", _("“%(name)s” must be a string.") % {"name": "text"})
    whole = value.encode(errors="ignore").decode()  # half a character is no text of a database
    text = whole.replace("\r\n", "\n").replace("\x00", "").strip()
    if len(text) > LONGEST_COMMENT:
        raise InvalidOption("text", _("A comment can have at most %(n)d characters.") % {"n": LONGEST_COMMENT})
    return text


def _checked_colour(value: object) -> int:
    """Raises InvalidOption."""
    if type(value) is not int or not 0 <= value < HIGHLIGHTS:
        raise InvalidOption("colour", _("A colour is a number from 0 to %(n)d.") % {"n": HIGHLIGHTS - 1})
    return value


def _insert(actor: Actor, recording: Recording, row: Comment) -> Comment:
    """Raises Refused, and TextDeleted."""
    if actor.user is not None and not PACE.take(str(actor.tenant.id), str(actor.user.pk)):
        raise Refused("too_many_comments_at_once", _("That is too many comments at once. Wait a moment."))
    row.tenant, row.made_by, row.api_key = actor.tenant, actor.user, actor.key
    if (guest := actor.guest) is not None:
        row.guest, row.guest_name, row.visit, row.link = guest.full_name, guest.name, guest.visit, guest.link
    with transaction.atomic():
        tenant_lock.lock_for_adding(actor.tenant.id)
        row.recording = recordings.recording(actor, recording.id)
        _require_text(actor, recording)
        there, most = _of(actor, recording.id), MOST
        if actor.guest is not None and there.exclude(guest="").count() >= MOST_OF_GUESTS:
            there, most = there.exclude(guest=""), MOST_OF_GUESTS
        if there.count() >= most:
            raise Refused("too_many_comments", _("A recording can have at most %(n)d comments.") % {"n": most})
        row.save(force_insert=True)
        mentions.note(actor, row)
        _tell(actor, row, "comment.created")
    return row


def _require_text(actor: Actor, recording: Recording) -> None:
    """Raises TextDeleted where retention left no text: it deletes what was said of it once."""
    texts = Transcription.objects.filter(tenant=actor.tenant, recording=recording)
    deleted = texts.exclude(text_deleted_at=None).select_related("tenant").first()
    if deleted is not None and not texts.filter(text_deleted_at=None).exists():
        retention.require_text(deleted)


def _tell(actor: Actor, row: Comment, action: str) -> None:
    audit.record(actor, action, row, recording=str(row.recording_id))
    announce(row.recording)


def announce(recording: Recording) -> None:
    """Tells the open pages of a recording, once the transaction is committed, that comments changed."""
    ids = list(recording.transcriptions.values_list("id", flat=True))
    transaction.on_commit(partial(progress.announce_comments, ids))


def _get(actor: Actor, recording_id: UUID, comment_id: UUID) -> Comment:
    """Raises Http404."""
    recordings.recording(actor, recording_id)
    return first_or_404(
        _of(actor, recording_id).filter(id=comment_id).select_related("recording"), _("There is no such comment.")
    )


def _of(actor: Actor, recording_id: UUID) -> QuerySet[Comment]:
    return Comment.objects.filter(Q(tenant=actor.tenant), recording=recording_id)


def _require_own(actor: Actor, row: Comment) -> None:
    if not is_own(actor, row):
        raise PermissionDenied(_("Only who wrote a comment changes it."))


def count_of(rows: Iterable[Comment]) -> int:
    return sum(1 + len(row.replies.all()) for row in rows)

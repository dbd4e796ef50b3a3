"""Deletes what guests wrote by a link: all of it, or all of one of them."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.db.models import Count, F, Q, QuerySet

from tenants import audit
from tenants.access import Actor
from transcription import tenant_lock
from transcription.comments import threads
from transcription.models import Comment
from transcription.shares import links
from transcription.shares.models import Share


@dataclass(frozen=True)
class Written:
    """How many comments a guest of a link wrote, and how many of others answer them and go with them."""

    guest: str
    comments: int
    answers: int


def written_by(share: Share) -> list[Written]:
    """Returns the guests of a link who wrote something, by the names that they gave."""
    own = _by_link(share)
    counted = own.order_by("guest_name").values_list("guest_name").annotate(Count("id"))
    replies = Comment.objects.filter(recording=share.recording_id, parent__in=own.values("id"))
    of_others = replies.exclude(link=share.id, guest_name=F("parent__guest_name")).order_by()
    answers = dict(of_others.values_list("parent__guest_name").annotate(Count("id")))
    return [Written(name, count, answers.get(name, 0)) for name, count in counted]


def delete(actor: Actor, share_id: UUID, guest: str | None = None) -> int:
    """Deletes all comments that came by a link, or those of one of its guests, with the answers to them.

    Returns how many went. Raises Http404 and PermissionDenied.
    """
    share = links.get(actor, share_id)
    if not threads.may_moderate(actor):
        actor.require(threads.MODERATE)
    with transaction.atomic():
        tenant_lock.lock(actor.tenant.id)
        rows = _doomed(share, guest)
        gone = rows.count()
        if gone:
            who = {} if guest is None else {"name": guest}
            audit.record(actor, "comment.all_deleted", share, recording=str(share.recording_id), comments=gone, **who)
            threads.announce(share.recording)
            rows.delete()
    return gone


def _by_link(share: Share, guest: str | None = None) -> QuerySet[Comment]:
    rows = Comment.objects.filter(tenant=share.tenant_id, recording=share.recording_id, link=share.id)
    return rows if guest is None else rows.filter(guest_name=guest.replace("\x00", ""))


def _doomed(share: Share, guest: str | None) -> QuerySet[Comment]:
    own = _by_link(share, guest).order_by().values("id")
    return Comment.objects.filter(Q(id__in=own) | Q(parent__in=own), recording=share.recording_id)

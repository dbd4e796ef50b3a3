"""Who is mentioned in a comment, by “@” and their e-mail address, and the mail that tells them.

The mail has a link and neither the comment nor a word of the transcript: a mail stays where retention, redaction and
the end of a membership don't reach.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.db.models import Exists, F, Min, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from tenants import mails, outbound_hold, scope
from tenants.access import Actor
from tenants.models import Member
from transcription.folders.visibility import is_seen_by, people_who_see
from transcription.lookout import Lookout
from transcription.models import Comment, Mention, Recording

MENTION = re.compile(r"(?<![\w.+-])@([\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+)")
MOST = 10
"""People whom one comment tells."""

WAIT = timedelta(seconds=30)
"""Before it is mailed, since a comment may be changed or deleted at once."""

PAUSE = timedelta(minutes=10)
"""Between two mails, or attempts at one, to a person of an organisation; what comes meanwhile is in the next one."""

GIVEN_UP = timedelta(days=1)
MOST_LINKS = 20
IN_A_ROUND = 500
PEOPLE_OFFERED = 200


class _Person(NamedTuple):
    tenant_id: UUID
    user_id: int
    since: datetime
    """The earliest mention that they were not told of."""


def people(actor: Actor, recording: Recording) -> list[tuple[str, str]]:
    """Returns address and name of the members whom a comment may mention: those who see the recording."""
    members = _members(actor, recording).select_related("user")
    return [(one.user.email, str(one.user)) for one in members.order_by("user__email")[:PEOPLE_OFFERED]]


def _members(actor: Actor, recording: Recording) -> QuerySet[Member]:
    rows = Member.objects.filter(tenant=actor.tenant, user__is_active=True)
    return rows.filter(people_who_see(recording.folder_id))


def note(actor: Actor, row: Comment) -> None:
    """Writes who is mentioned, and forgets who is not any more. Nobody mentions himself, and a guest nobody."""
    if actor.guest is not None:
        return
    addresses = list(dict.fromkeys(found.rstrip(".").casefold() for found in MENTION.findall(row.text)))[:MOST]
    members = _members(actor, row.recording).filter(user__email__in=addresses)
    ids = [pk for pk in members.values_list("user_id", flat=True) if actor.user is None or pk != actor.user.pk]
    Mention.objects.filter(comment=row).exclude(user__in=ids).delete()
    language = translation.get_language() or settings.LANGUAGE_CODE
    new = [Mention(tenant=actor.tenant, comment=row, user_id=pk, language=language) for pk in ids]
    Mention.objects.bulk_create(new, ignore_conflicts=True)


def send_due() -> int:
    """Mails people where they were mentioned; returns how many mails were sent.

    Only members are told, of recordings that they see: who was removed meanwhile hears nothing. Who waits longest is
    first, whatever the tenant.
    """
    if outbound_hold.is_on():
        return 0
    with scope.across_tenants("every tenant's members are told"):
        waiting = list(_waiting())
        return mails.deliver(waiting, "mentions", _tell, lambda until: _postpone(waiting, until))


def _waiting() -> list[_Person]:
    member = Member.objects.filter(_may_be_told(), tenant=OuterRef("tenant"), user=OuterRef("user"))
    people = _untold().filter(Exists(member)).values_list("tenant_id", "user_id")
    return [_Person(*one) for one in people.annotate(since=Min("made_at")).order_by("since")[:IN_A_ROUND]]


def _untold() -> QuerySet[Mention]:
    return _open(timezone.now()).filter(is_seen_by("comment__recording", "user"), user__is_active=True)


def _open(now: datetime | Now) -> QuerySet[Mention]:
    rows = Mention.objects.filter(mailed_at=None, attempts__lt=mails.ATTEMPTS, tenant__is_active=True)
    return rows.filter(made_at__lt=now - WAIT, made_at__gt=now - GIVEN_UP, comment__recording__deleted_at=None)


DUE = Lookout(lambda: _open(Now()))


def _may_be_told() -> Q:
    return Q(mentions_after=None) | Q(mentions_after__lte=timezone.now())


def _postpone(waiting: list[_Person], until: datetime) -> None:
    tenants, users = {one.tenant_id for one in waiting}, {one.user_id for one in waiting}
    rows = Member.objects.filter(_may_be_told(), tenant__in=tenants, user__in=users)
    rows.update(mentions_after=until)


def _tell(person: _Person, connection: BaseEmailBackend) -> int:
    """Returns the number of mails sent. Raises OSError if the server became unavailable."""
    member = Member.objects.filter(tenant=person.tenant_id, user=person.user_id)
    # This keeps other sweepers away, too; and it stays where the comment doesn't. It asks the table's own columns
    # alone: PostgreSQL looks at no others again once another sweeper was first.
    if not member.filter(_may_be_told()).update(mentions_after=timezone.now() + PAUSE):
        return 0
    rows = _untold().filter(tenant=person.tenant_id, user=person.user_id)
    related = ("tenant", "user", "comment__recording", "comment__made_by", "comment__api_key")
    mentions = list(rows.select_related(*related).order_by("made_at"))
    if not mentions:
        member.update(mentions_after=None)
        return 0
    told = Mention.objects.filter(pk__in=[one.pk for one in mentions])
    try:
        taken = mails.is_taken(connection, lambda: _message(mentions), f"mentions of a member of {person.tenant_id}")
    except OSError:  # it may be this mail's fault, so others are first until PAUSE is over
        told.update(attempts=F("attempts") + 1)
        raise
    if taken:
        return bool(told.update(mailed_at=timezone.now()))
    told.update(attempts=F("attempts") + 1)
    return 0


def _message(mentions: list[Mention]) -> EmailMessage:
    with translation.override(mentions[-1].language or settings.LANGUAGE_CODE):
        return _written(mentions)


def _written(mentions: list[Mention]) -> EmailMessage:
    tenant = " ".join(mentions[0].tenant.name.split())  # a line break would end the header
    lines = []
    for one in mentions[:MOST_LINKS]:
        recording, who = one.comment.recording, one.comment.author or _("Somebody")
        said = _("%(who)s mentioned you in a comment on “%(name)s”.") % {"who": who, "name": recording.name}
        lines.append(f"{said}\n{settings.PORTAL_URL}/recordings/{recording.id}/#comment-{one.comment_id}")
    if (more := len(mentions) - MOST_LINKS) > 0:
        lines.append(_("And %(n)d more.") % {"n": more})
    lines.append(_("You get this message because you are a member of %(tenant)s.") % {"tenant": tenant})
    return EmailMessage(
        subject=_("You were mentioned: %(tenant)s") % {"tenant": tenant},
        body="\n\n".join(lines) + "\n",
        to=[mentions[0].user.email],
    )

"""Who is mentioned in a comment, by “@” and their e-mail address, and the mail that tells them.

The mail has a link and neither the comment nor a word of the transcript: a mail stays where retention, redaction and
the end of a membership don't reach.
"""

from __future__ import annotations

import logging
import re
import time
from contextlib import suppress
from datetime import datetime, timedelta
from smtplib import SMTPServerDisconnected
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.core import mail
from django.db.models import Exists, F, Min, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from tenants import outbound_hold, scope
from tenants.access import Actor
from tenants.models import Member
from transcription.folders.visibility import is_seen_by, people_who_see
from transcription.lookout import Lookout
from transcription.models import Comment, Mention, Recording

log = logging.getLogger(__name__)
MENTION = re.compile(r"(?<![\w.+-])@([\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+)")
MOST = 10
"""People whom one comment tells."""

WAIT = timedelta(seconds=30)
"""Before it is mailed, since a comment may be changed or deleted at once."""

PAUSE = timedelta(minutes=10)
"""Between two mails, or attempts at one, to a person of an organisation; what comes meanwhile is in the next one."""

GIVEN_UP = timedelta(days=1)
MAIL_ATTEMPTS = 6
MAIL_ROUND_SECONDS = 10.0
NO_SERVER = timedelta(minutes=1)
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
    first, whatever the tenant. Any number of sweepers may run.
    """
    if outbound_hold.is_on():
        return 0
    with scope.across_tenants("every tenant's members are told"):
        waiting = list(_waiting())
        return _deliver(waiting) if waiting else 0


def _waiting() -> list[_Person]:
    member = Member.objects.filter(_may_be_told(), tenant=OuterRef("tenant"), user=OuterRef("user"))
    people = _untold().filter(Exists(member)).values_list("tenant_id", "user_id")
    return [_Person(*one) for one in people.annotate(since=Min("made_at")).order_by("since")[:IN_A_ROUND]]


def _untold() -> QuerySet[Mention]:
    return _open(timezone.now()).filter(is_seen_by("comment__recording", "user"))


def _open(now: datetime | Now) -> QuerySet[Mention]:
    rows = Mention.objects.filter(mailed_at=None, attempts__lt=MAIL_ATTEMPTS, tenant__is_active=True)
    return rows.filter(made_at__lt=now - WAIT, made_at__gt=now - GIVEN_UP, comment__recording__deleted_at=None)


DUE = Lookout(lambda: _open(Now()))


def _may_be_told() -> Q:
    return Q(user__is_active=True) & (Q(mentions_after=None) | Q(mentions_after__lte=timezone.now()))


def _deliver(waiting: list[_Person]) -> int:
    connection: Any = mail.get_connection()
    deadline, sent = time.monotonic() + MAIL_ROUND_SECONDS, 0
    try:
        connection.open()
        for person in waiting:
            if time.monotonic() > deadline:
                log.warning("The mail server is slow; the remaining mentions are mailed in the next round.")
                break
            sent += _tell(person, connection)
    except OSError as error:
        log.error("Mentions were not mailed, the mail server is unavailable: %s", type(error).__name__)
        tenants, users = {one.tenant_id for one in waiting}, {one.user_id for one in waiting}
        rows = Member.objects.filter(_may_be_told(), tenant__in=tenants, user__in=users)
        rows.update(mentions_after=timezone.now() + NO_SERVER)
    finally:
        with suppress(OSError):
            connection.close()
    return sent


def _tell(person: _Person, connection: Any) -> int:
    """Returns the number of mails sent. Raises OSError if the server became unavailable."""
    member = Member.objects.filter(tenant=person.tenant_id, user=person.user_id)
    # This keeps other sweepers away, too; and it stays where the comment doesn't.
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
        _message(mentions, connection).send()
    except (SMTPServerDisconnected, ConnectionError, TimeoutError):
        member.update(mentions_after=None)
        raise
    except Exception as error:
        log.error("A member of tenant %s could not be told of a mention (%s).", person.tenant_id, type(error).__name__)
        told.update(attempts=F("attempts") + 1)
        return 0
    told.update(mailed_at=timezone.now())
    return 1


def _message(mentions: list[Mention], connection: Any) -> mail.EmailMessage:
    with translation.override(mentions[-1].language or settings.LANGUAGE_CODE):
        return _written(mentions, connection)


def _written(mentions: list[Mention], connection: Any) -> mail.EmailMessage:
    tenant = " ".join(mentions[0].tenant.name.split())  # a line break would end the header
    lines = []
    for one in mentions[:MOST_LINKS]:
        recording, who = one.comment.recording, one.comment.author or _("Somebody")
        said = _("%(who)s mentioned you in a comment on “%(name)s”.") % {"who": who, "name": recording.name}
        lines.append(f"{said}\n{settings.PORTAL_URL}/recordings/{recording.id}/#comment-{one.comment_id}")
    if (more := len(mentions) - MOST_LINKS) > 0:
        lines.append(_("And %(n)d more.") % {"n": more})
    lines.append(_("You get this message because you are a member of %(tenant)s.") % {"tenant": tenant})
    return mail.EmailMessage(
        subject=_("You were mentioned: %(tenant)s") % {"tenant": tenant},
        body="\n\n".join(lines) + "\n",
        to=[mentions[0].user.email],
        connection=connection,
    )

"""Who is mentioned in a comment, by “@” and their e-mail address, and the mail that tells them.

The mail has a link and neither the comment nor a word of the transcript: a mail stays where retention, redaction and
the end of a membership don't reach.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from datetime import timedelta
from itertools import groupby
from smtplib import SMTPServerDisconnected
from typing import Any

from django.conf import settings
from django.core import mail
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from tenants import scope
from tenants.access import Actor
from tenants.models import Member
from transcription.models import Comment, Mention

log = logging.getLogger(__name__)
MENTION = re.compile(r"(?<![\w.+-])@([\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+)")
MOST = 10
"""People whom one comment tells."""

WAIT = timedelta(seconds=30)
"""Before it is mailed, since a comment may be changed or deleted at once."""

PAUSE = timedelta(minutes=10)
"""Between two mails to a person of an organisation; what comes meanwhile is in the next one."""

GIVEN_UP = timedelta(days=1)
MOST_LINKS = 20
IN_A_ROUND = 500
PEOPLE_OFFERED = 200


def people(actor: Actor) -> list[tuple[str, str]]:
    """Returns address and name of the members whom a comment may mention."""
    members = Member.objects.filter(tenant=actor.tenant, user__is_active=True).select_related("user")
    return [(one.user.email, str(one.user)) for one in members.order_by("user__email")[:PEOPLE_OFFERED]]


def note(actor: Actor, row: Comment) -> None:
    """Writes who is mentioned, and forgets who is not any more. Nobody mentions himself."""
    addresses = list(dict.fromkeys(found.rstrip(".").casefold() for found in MENTION.findall(row.text)))[:MOST]
    members = Member.objects.filter(tenant=actor.tenant, user__is_active=True, user__email__in=addresses)
    ids = [pk for pk in members.values_list("user_id", flat=True) if actor.user is None or pk != actor.user.pk]
    Mention.objects.filter(comment=row).exclude(user__in=ids).delete()
    new = [Mention(tenant=actor.tenant, comment=row, user_id=pk) for pk in ids]
    Mention.objects.bulk_create(new, ignore_conflicts=True)


def send_due() -> int:
    """Mails people where they were mentioned; returns how many mails were sent.

    Only members are told, of recordings that are there: who was removed meanwhile hears nothing.
    """
    with scope.across_tenants("every tenant's members are told"):
        waiting = list(_due()[:IN_A_ROUND])
        return sum(_deliver(waiting)) if waiting else 0


def _due() -> QuerySet[Mention]:
    now = timezone.now()
    member = Member.objects.filter(tenant=OuterRef("tenant"), user=OuterRef("user"), user__is_active=True)
    told = Mention.objects.filter(tenant=OuterRef("tenant"), user=OuterRef("user"), mailed_at__gt=now - PAUSE)
    rows = Mention.objects.filter(Exists(member), ~Exists(told), mailed_at=None, tenant__is_active=True)
    rows = rows.filter(made_at__lt=now - WAIT, made_at__gt=now - GIVEN_UP, comment__recording__deleted_at=None)
    related = ("tenant", "user", "comment__recording", "comment__made_by", "comment__api_key")
    return rows.select_related(*related).order_by("tenant_id", "user_id", "made_at")


def _deliver(waiting: list[Mention]) -> Iterator[bool]:
    connection: Any = mail.get_connection()
    try:
        connection.open()
        for _whose, found in groupby(waiting, key=lambda one: (one.tenant_id, one.user_id)):
            yield _send(list(found), connection)
    except OSError as error:
        log.error("Mentions were not mailed, the mail server is unavailable: %s", error)
    finally:
        try:
            connection.close()
        except OSError:
            log.info("The mail server had closed the connection.")


def _send(mentions: list[Mention], connection: Any) -> bool:
    """Returns False if the mail can't be sent. Raises OSError if the server became unavailable."""
    try:
        _message(mentions, connection).send()
    except (SMTPServerDisconnected, ConnectionError, TimeoutError):
        raise
    except Exception:
        log.exception("A member of tenant %s could not be told of a mention", mentions[0].tenant_id)
        return False
    ids = [one.pk for one in mentions]
    return Mention.objects.filter(pk__in=ids, mailed_at=None).update(mailed_at=timezone.now()) > 0


def _message(mentions: list[Mention], connection: Any) -> mail.EmailMessage:
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

"""The mails that bring guests their links. They name neither the recording nor anything that is said in it.

The sweeper sends them: what was accepted is sent, whoever crashes in between.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from datetime import datetime, timedelta
from smtplib import SMTPServerDisconnected
from typing import Any

from django.conf import settings
from django.core import mail
from django.db.models import F, QuerySet
from django.db.models.functions import Now
from django.template.loader import render_to_string
from django.utils import timezone, translation

from tenants import outbound_hold, scope
from transcription.lookout import Lookout
from transcription.shares.models import MAIL_ATTEMPTS, Share, open_ones
from transcription.shares.secrets import address_of, digest_of, guest_secret

log = logging.getLogger(__name__)
MAIL_ROUND_SECONDS = 10.0
IN_A_ROUND = 100
SENDING = timedelta(minutes=5)
"""For as long no other sweeper sends what one has taken."""


def send_due() -> int:
    """Mails the links that are waiting and still work; returns how many were sent.

    A refused one is tried again after 1, 2, 4 … minutes, MAIL_ATTEMPTS times. A round ends early if the server is
    unavailable or slow.
    """
    if outbound_hold.is_on():
        return 0
    with scope.across_tenants("every tenant's guests are mailed"):
        due = _to_mail(timezone.now()).select_related("tenant", "created_by")
        waiting = list(due.order_by("mail_after", "id")[:IN_A_ROUND])
        return _deliver(waiting) if waiting else 0


def _to_mail(now: datetime | Now) -> QuerySet[Share]:
    return Share.objects.filter(open_ones(now), mail_after__lte=now, mailed_at=None, mail_attempts__lt=MAIL_ATTEMPTS)


DUE = Lookout(lambda: _to_mail(Now()))


def _deliver(waiting: list[Share]) -> int:
    connection: Any = mail.get_connection()
    deadline, sent = time.monotonic() + MAIL_ROUND_SECONDS, 0
    try:
        connection.open()
        for row in waiting:
            if time.monotonic() > deadline:
                log.warning("The mail server is slow; the remaining links are sent in the next round.")
                break
            sent += _send(row, connection)
    except OSError as error:
        log.error("Links were not sent, the mail server is unavailable: %s", type(error).__name__)
        now = timezone.now()
        rows = Share.objects.filter(id__in=[row.id for row in waiting], mailed_at=None, mail_after__lte=now)
        rows.update(mail_after=now + timedelta(minutes=1))
    finally:
        with suppress(OSError):
            connection.close()
    return sent


def _send(row: Share, connection: Any) -> int:
    """Returns the number of mails sent. Raises OSError if the server became unavailable."""
    rows = Share.objects.filter(id=row.id, mailed_at=None)
    if not rows.filter(open_ones(), mail_after=row.mail_after).update(mail_after=timezone.now() + SENDING):
        return 0
    secret = guest_secret(row.id)
    if digest_of(secret) != row.digest:  # SECRET_KEY is another one now: this link would lead nowhere
        rows.update(mail_attempts=MAIL_ATTEMPTS)
        return 0
    try:
        _message(row, secret, connection).send()
    except (SMTPServerDisconnected, ConnectionError, TimeoutError):
        raise
    except Exception as error:
        log.error("Link %s could not be mailed (%s).", row.id, type(error).__name__)
        later = timezone.now() + timedelta(minutes=2**row.mail_attempts)
        rows.update(mail_attempts=F("mail_attempts") + 1, mail_after=later)
        return 0
    return rows.update(mailed_at=timezone.now())


def _message(row: Share, secret: str, connection: Any) -> mail.EmailMessage:
    maker = row.created_by
    name = " ".join(str(maker).split()) if maker else ""
    context = {
        "who": f"{name} <{maker.email}>" if maker and name != maker.email else name,
        "tenant": " ".join(row.tenant.name.split()),  # a line break would end the header
        "address": address_of(secret),
        "expires_at": row.expires_at,
        "asks_password": bool(row.password),
        "portal": settings.PORTAL_URL,
    }
    with translation.override(row.language or settings.LANGUAGE_CODE):
        subject = render_to_string("shared/email/guest_subject.txt", context).strip()
        text = render_to_string("shared/email/guest_message.txt", context)
    return mail.EmailMessage(subject, text, to=[row.email], connection=connection)

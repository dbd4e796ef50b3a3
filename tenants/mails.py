"""Mails: made of templates, and sent by the sweeper in rounds. Any number of sweepers may run."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from smtplib import SMTPServerDisconnected
from typing import Any, Generic, TypeVar

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db.models import F, Manager, Model, QuerySet
from django.db.models.functions import Now
from django.template.loader import render_to_string
from django.utils import timezone

from tenants import outbound_hold

log = logging.getLogger(__name__)
Item = TypeVar("Item")
Row = TypeVar("Row", bound=Model)
ATTEMPTS = 6
ROUND_SECONDS = 10.0
IN_A_ROUND = 100
SENDING = timedelta(minutes=5)
"""For as long no other sweeper sends what one has taken."""

NOWHERE = ("console", "dummy", "filebased")
"""Backends of Django that send nothing to anybody."""

NO_SERVER = timedelta(minutes=1)
"""Before it is asked again: the sweeper has other things to do meanwhile."""


def are_sent() -> bool:
    """Returns whether a mail server is set up."""
    return not settings.EMAIL_BACKEND.endswith(tuple(f".{name}.EmailBackend" for name in NOWHERE))


def rendered(template: str, to: str, context: dict[str, Any]) -> EmailMessage:
    """Returns the mail that `{template}_subject.txt` and `{template}_message.txt` make."""
    subject = " ".join(render_to_string(f"{template}_subject.txt", context).split())
    return EmailMessage(subject, render_to_string(f"{template}_message.txt", context), to=[to])


def deliver(
    waiting: Sequence[Item],
    what: str,
    send: Callable[[Item, BaseEmailBackend], int],
    postpone: Callable[[datetime], object],
) -> int:
    """Sends one after the other by one connection, and returns how many mails were sent.

    The round ends early if the server is slow or unavailable; then all that still waits is postponed.
    """
    if not waiting:
        return 0
    connection: BaseEmailBackend = get_connection()
    deadline, sent = time.monotonic() + ROUND_SECONDS, 0
    try:
        connection.open()
        for item in waiting:
            if time.monotonic() > deadline:
                log.warning("The mail server is slow; the remaining %s are sent in the next round.", what)
                break
            sent += send(item, connection)
    except OSError as error:
        log.error("The mail server is unavailable (%s): %s were not sent.", type(error).__name__, what)
        postpone(timezone.now() + NO_SERVER)
    finally:
        with suppress(OSError):
            connection.close()
    return sent


def is_taken(connection: BaseEmailBackend, make: Callable[[], EmailMessage], what: str) -> bool:
    """Returns whether the server takes a mail. Raises OSError if it became unavailable."""
    try:
        mail = make()
    except Exception:
        log.exception("A mail could not be written: %s.", what)
        return False
    try:
        connection.send_messages([mail])
    except (SMTPServerDisconnected, ConnectionError, TimeoutError):
        raise
    except OSError as error:  # SMTPException is one
        log.error("A mail was not taken (%s): %s.", type(error).__name__, what)
        return False
    except Exception:
        log.exception("A mail could not be sent: %s.", what)
        return False
    return True


@dataclass(frozen=True)
class MailQueue(Generic[Row]):
    """Rows that are mailed once each. They have `mail_after`, `mail_attempts` and the moment when they were `sent`.

    A row counts as sent once the mail server has taken it, so a crash in between sends it again. A refused one is
    tried again after 1, 2, 4 … minutes, ATTEMPTS times; one at which the connection broke behind the others.
    """

    what: str
    open: Callable[[datetime | Now], QuerySet[Row]]
    """Selects what may still be sent, due or not, at a moment of this process's clock or the database's."""
    message: Callable[[Row], EmailMessage]
    sent: str = "mailed_at"

    def send_due(self) -> int:
        """Returns the number of mails sent. Call it across tenants."""
        if outbound_hold.is_on():
            return 0
        rows = list(self.due(timezone.now()).order_by("mail_after", "id")[:IN_A_ROUND])
        return deliver(rows, self.what, self._send, lambda until: self._postpone(rows, until))

    def due(self, now: datetime | Now) -> QuerySet[Row]:
        return self.open(now).filter(mail_after__lte=now, mail_attempts__lt=ATTEMPTS, **{self.sent: None})

    def _send(self, listed: Any, connection: BaseEmailBackend) -> int:
        now = timezone.now()
        due = self._rows(pk=listed.pk, mail_after__lte=now, mail_attempts=listed.mail_attempts)
        if not due.update(mail_after=now + SENDING):
            return 0
        row: Any = self.open(now).filter(pk=listed.pk).first()  # as it is now: it may have been renewed meanwhile
        if row is None:
            return 0
        mine = self._rows(pk=row.pk, mail_after=now + SENDING)
        try:
            taken = is_taken(connection, lambda: self.message(row), f"{self.what}, {row.pk}")
        except OSError:  # it may be this mail's fault, so it stays away for as long as it is claimed
            mine.update(mail_attempts=F("mail_attempts") + 1)
            raise
        if taken:
            return mine.update(**{self.sent: timezone.now()})
        later = timezone.now() + timedelta(minutes=2**row.mail_attempts)
        mine.update(mail_attempts=F("mail_attempts") + 1, mail_after=later)
        return 0

    def _postpone(self, rows: Sequence[Row], until: datetime) -> None:
        self._rows(pk__in=[row.pk for row in rows], mail_after__lte=timezone.now()).update(mail_after=until)

    def _rows(self, **conditions: Any) -> QuerySet[Any]:
        """Selects by columns of the table alone: PostgreSQL looks at no others again once another sweeper was first."""
        table: Manager[Any] = self.open(timezone.now()).model._default_manager
        return table.filter(**conditions, **{self.sent: None})

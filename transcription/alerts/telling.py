"""Sends messages about alerts. Any number of sweepers may: each message is claimed by one UPDATE.

A message counts as sent once the mail server, or the webhook's receiver, has taken it, so a crash in between sends it
again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone, translation

from tenants import database_clock, mails, outbound_hold
from transcription.alerts import receivers
from transcription.alerts.messages import PAGE
from transcription.alerts.models import Message, Receiver
from transcription.alerts.rules import RULES, runbook
from transcription.connections import lend_connection
from transcription.leases import Backoff
from transcription.lookout import Lookout
from transcription.outbound import requests
from transcription.outbound.errors import OutboundError
from transcription.webhooks import signing

log = logging.getLogger(__name__)
LEASE = timedelta(seconds=60)
BACKOFF = Backoff((5, 60, 300, 1800, 7200))
AT_ONCE = 200
BETWEEN_MAILS = timedelta(minutes=1)
TURN_SECONDS = 10.0


class NotSent(Exception):
    """Why a message wasn't taken, as a code."""


def mail_due() -> int:
    """Mails what is due: to each operator one mail about all of it, and the next a minute later at the earliest."""
    lately = Message.objects.filter(receiver=OuterRef("receiver"), sent_at__gt=database_clock.now() - BETWEEN_MAILS)
    due: dict[Receiver, list[Message]] = {}
    for row in _due().filter(~Exists(lately), receiver__url="")[:AT_ONCE]:
        due.setdefault(row.receiver, []).append(row)
    taken = 0
    for receiver, found in due.items():
        rows = [row for row in found if _claim(row)]
        taken += _finish(rows, _failure_of(_mail, receiver, rows)) if rows else 0
    return taken


def post_due() -> int:
    """Sends webhooks what is due: all of them at once, each one message after the other, until one is not taken."""
    taken, failed, began = 0, set[UUID](), time.monotonic()
    while time.monotonic() < began + TURN_SECONDS:
        due = _due().exclude(receiver__url="").exclude(receiver__in=failed)
        firsts = (due.filter(receiver=one).first() for one in set(due.values_list("receiver", flat=True)))
        rows = [row for row in firsts if row is not None and _claim(row)]
        if not rows:
            break
        lend_connection()
        with ThreadPoolExecutor(len(rows), thread_name_prefix="alert") as pool:
            errors = list(pool.map(lambda row: _failure_of(_post, row), rows))
        for row, error in zip(rows, errors, strict=True):
            taken += _finish([row], error)
            if error:
                failed.add(row.receiver_id)
    return taken


def _due() -> QuerySet[Message]:
    """Selects what is to be sent, the oldest first: nothing of an alert before what was written earlier of it.

    Rules that this release doesn't know are left to the one that does.
    """
    if outbound_hold.is_on():
        return Message.objects.none()
    waiting = _waiting()
    earlier = waiting.filter(
        receiver=OuterRef("receiver"), alert=OuterRef("alert"), created_at__lt=OuterRef("created_at")
    )
    known = Q(alert=None) | Q(alert__name__in=RULES)
    due = waiting.filter(known, ~Exists(earlier), next_attempt_at__lte=Now())
    return due.select_related("receiver__user", "alert").order_by("created_at", "alert_id")


def _waiting() -> QuerySet[Message]:
    return Message.objects.filter(sent_at=None, next_attempt_at__isnull=False)


DUE = Lookout(lambda: _waiting().filter(next_attempt_at__lte=Now()))


def _claim(row: Message) -> bool:
    rows = Message.objects.filter(id=row.id, attempts_made=row.attempts_made, sent_at=None)
    return rows.update(attempts_made=F("attempts_made") + 1, next_attempt_at=Now() + LEASE) == 1


def _failure_of(send: Callable[..., None], *given: object) -> str:
    """Returns why something was not taken, as a code; nothing where it was."""
    try:
        send(*given)
    except NotSent as error:
        return str(error)
    except Exception:
        log.exception("A message about an alert could not be sent")
        return "internal"
    return ""


def _finish(rows: Sequence[Message], error: str) -> int:
    """Writes what came of some messages. Returns how many were taken."""
    if not error:
        ids = [row.id for row in rows]
        return Message.objects.filter(id__in=ids).update(sent_at=Now(), next_attempt_at=None, error="")
    for row in rows:
        made = row.attempts_made + 1
        log.warning("A message about the alert %s was not taken by %s (%s)", row.alert, row.receiver, error)
        again = None if made > len(BACKOFF.delays) else Now() + timedelta(seconds=BACKOFF.after(made))
        Message.objects.filter(id=row.id).update(error=error, next_attempt_at=again)
    return 0


def _post(row: Message) -> None:
    """Raises NotSent."""
    body = row.body.encode()
    try:
        keys = [signing.recalled(row.receiver.id, row.receiver.salt, row.receiver.digest)]
        signed = signing.headers(f"msg_{row.id.hex}", timezone.now(), body, keys)
        answer = requests.post(row.receiver.url, body, {"Content-Type": "application/json", **signed})
    except OutboundError as error:
        raise NotSent(error.code) from error
    except signing.SecretLost:
        raise NotSent("secret_lost") from None
    if not 200 <= answer.status < 300:
        raise NotSent(f"status {answer.status}")


def _mail(receiver: Receiver, rows: Sequence[Message]) -> None:
    """Raises NotSent. Whoever is no operator any more gets nothing, and is not asked again."""
    user = receiver.user
    if user is None or not receivers.may_have_mail(user):
        Receiver.objects.filter(id=receiver.id).delete()
        raise NotSent("no_permission")
    with translation.override(receiver.language or "en"):
        alerts = [
            (row, row.alert, RULES[row.alert.name].text(row.alert.subject, row.alert.value))
            for row in rows
            if row.alert
        ]
        context = {
            "messages": alerts,
            "first": rows[0],
            "alert": rows[0].alert,
            "more": len(rows) - 1,
            "page": f"{settings.PORTAL_URL}{PAGE}",
            "runbook": runbook(),
        }
        mail = mails.rendered("alerts/email/alert", user.email, context)
    lend_connection()
    try:
        mail.send()
    except Exception as error:
        raise NotSent(type(error).__name__[:40]) from error

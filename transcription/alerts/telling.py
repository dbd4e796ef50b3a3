"""Sends messages about alerts. Any number of sweepers may: each message is claimed by one UPDATE.

A message counts as sent once the mail server, or the webhook's receiver, has taken it, so a crash in between sends it
again.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now
from django.template.loader import render_to_string
from django.utils import timezone, translation

from tenants import outbound_hold
from transcription.alerts import receivers
from transcription.alerts.messages import PAGE
from transcription.alerts.models import Message
from transcription.alerts.rules import RULES, runbook
from transcription.leases import Backoff
from transcription.outbound import requests
from transcription.outbound.errors import OutboundError
from transcription.webhooks import signing

log = logging.getLogger(__name__)
LEASE = timedelta(seconds=60)
BACKOFF = Backoff((5, 60, 300, 1800, 7200))
AT_ONCE = 50


class NotSent(Exception):
    """Why a message wasn't taken, as a code."""


def send_due() -> int:
    """Sends what is due, one after the other. Returns how many were taken."""
    if outbound_hold.is_on():
        return 0
    due = Message.objects.filter(sent_at=None, next_attempt_at__lte=Now()).order_by("next_attempt_at")
    return sum(_send(row) for row in due.select_related("receiver__user", "alert")[:AT_ONCE] if _claim(row))


def _claim(row: Message) -> bool:
    rows = Message.objects.filter(id=row.id, attempts_made=row.attempts_made, sent_at=None)
    return rows.update(attempts_made=F("attempts_made") + 1, next_attempt_at=Now() + LEASE) == 1


def _send(row: Message) -> bool:
    made = row.attempts_made + 1
    if not connection.in_atomic_block:
        connection.close()  # not occupied while the receiver answers
    try:
        _post(row) if row.receiver.url else _mail(row)
    except NotSent as error:
        is_last = made > len(BACKOFF.delays)
        log.warning("A message about the alert %s was not taken by %s (%s)", row.alert, row.receiver, error)
        again = None if is_last else Now() + timedelta(seconds=BACKOFF.after(made))
        Message.objects.filter(id=row.id).update(error=str(error), next_attempt_at=again)
        return False
    Message.objects.filter(id=row.id).update(sent_at=Now(), next_attempt_at=None, error="")
    return True


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


def _mail(row: Message) -> None:
    """Raises NotSent. Whoever is no operator any more gets nothing, and is not asked again."""
    user = row.receiver.user
    if user is None or not receivers.may_have_mail(user):
        row.receiver.delete()
        raise NotSent("no_permission")
    with translation.override(row.receiver.language or "en"):
        assert row.alert is not None
        context = {
            "about": row.about,
            "alert": row.alert,
            "summary": RULES[row.alert.name].text(row.alert.subject, row.alert.value),
            "page": f"{settings.PORTAL_URL}{PAGE}",
            "runbook": runbook(),
        }
        subject = " ".join(render_to_string("alerts/email/alert_subject.txt", context).split())
        text = render_to_string("alerts/email/alert_message.txt", context)
    try:
        EmailMessage(subject, text, to=[user.email]).send()
    except Exception as error:
        raise NotSent(type(error).__name__[:40]) from error

"""The mails that bring guests their links. They name neither the recording nor anything that is said in it.

The sweeper sends them: what was accepted is sent, whoever crashes in between.
"""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.signing import BadSignature
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import translation

from tenants import mails, scope
from transcription.lookout import Lookout
from transcription.shares.models import Share, open_ones
from transcription.shares.secrets import address_of, digest_of, guest_secret


def send_due() -> int:
    """Mails the links that are waiting and still work; returns how many were sent."""
    with scope.across_tenants("every tenant's guests are mailed"):
        return MAILS.send_due()


def _open(now: datetime | Now) -> QuerySet[Share]:
    return Share.objects.filter(open_ones(now)).select_related("tenant", "created_by")


def _message(row: Share) -> EmailMessage:
    """Raises BadSignature where SECRET_KEY is another one now: the link would lead nowhere."""
    secret = guest_secret(row.id)
    if digest_of(secret) != row.digest:
        raise BadSignature
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
        return mails.rendered("shared/email/guest", row.email, context)


MAILS = mails.MailQueue("links", _open, _message)
DUE = Lookout(lambda: MAILS.due(Now()))

"""Mails to people about their accounts: sent after the change is committed, beside the answer.

They are in the language of whoever made the change.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from tenants import mails
from tenants.models import User
from tenants.throttle import Limit

log = logging.getLogger(__name__)
MAILS = ThreadPoolExecutor(1, "mail")
TOLD = Limit("mails about changes of an account", 20, 3600)


def tell(user: User, about: str, page: str, **context: Any) -> None:
    """Mails somebody what happened to their account, with the address of a page: of a kind at most twenty an hour.

    `about` names the templates, `page` the route. Nothing is sent where the transaction is rolled back.
    """
    if not user.is_active or not TOLD.take(str(user.pk), about):
        return
    context = {name: " ".join(value.split()) if isinstance(value, str) else value for name, value in context.items()}
    known = {
        "moment": timezone.localtime(),
        "page": f"{settings.PORTAL_URL}{reverse(page)}",
        "portal": settings.PORTAL_URL,
    }
    mail = mails.rendered(f"account/email/{about}", user.email, known | context)
    transaction.on_commit(partial(send_soon, mail))


def send_soon(mail: EmailMessage) -> None:
    """Sends a mail after the answer, whose time and outcome must not tell whether there is such an account."""
    MAILS.submit(_send, mail)


def _send(mail: EmailMessage) -> None:
    try:
        mail.send()
    except Exception as error:
        log.error("A mail to an account could not be sent (%s).", type(error).__name__)

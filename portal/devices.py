"""What a person's devices are called, and which are known: somebody who signs in on another one is told by mail.

A browser that somebody signed in with keeps a signed cookie for a year, which names the accounts.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta

from django.conf import settings
from django.core.mail import EmailMessage
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from ua_parser import parse

from tenants import addresses, mails
from tenants.models import User

COOKIE, SALT = "devices", "portal.devices"
AGE = timedelta(days=365)
MOST_ACCOUNTS = 10
LONGEST = 40


def label(user_agent: str) -> str:
    """Returns what people call a device, by what its browser says of itself: “Firefox on Windows”."""
    result = parse(user_agent[:500])
    browser = result.user_agent.family if result.user_agent else ""
    system = result.os.family if result.os else ""
    browser, system = ("".join(filter(str.isprintable, name))[:LONGEST] for name in (browser, system))
    if browser and system:
        return _("%(browser)s on %(system)s") % {"browser": browser, "system": system}
    return browser or system or _("An unknown program")


def is_known(request: HttpRequest, user: User) -> bool:
    """Returns whether this person has signed in with this browser before."""
    return _name(user) in _names(request)


def remember(request: HttpRequest, response: HttpResponseBase, user: User) -> None:
    names = [_name(user), *(name for name in _names(request) if name != _name(user))]
    response.set_signed_cookie(
        COOKIE,
        ".".join(names[:MOST_ACCOUNTS]),
        salt=SALT,
        max_age=AGE,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def mail(request: HttpRequest, user: User) -> EmailMessage:
    """Returns the mail about a device that is not known."""
    context = {
        "device": label(request.headers.get("User-Agent", "")),
        "address": addresses.of_request(request),
        "moment": timezone.localtime(),
        "sessions": f"{settings.PORTAL_URL}{reverse('account_devices')}",
        "portal": settings.PORTAL_URL,
    }
    return mails.rendered("account/email/new_device", user.email, context)


def _names(request: HttpRequest) -> list[str]:
    kept = request.get_signed_cookie(COOKIE, default="", salt=SALT, max_age=AGE)
    return [name for name in str(kept).split(".") if name]


def _name(user: User) -> str:
    return hashlib.sha256(f"{SALT} {user.pk}".encode()).hexdigest()[:16]

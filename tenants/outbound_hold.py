"""Holds back what goes out after a backup was restored: its webhooks and mails may have gone out long ago."""

from __future__ import annotations

from tenants.models import OutboundHold


def is_on() -> bool:
    """Returns whether webhooks, downloads by URL and the sweeper's mails wait for `manage.py backup resume`."""
    return OutboundHold.objects.exists()


def end() -> bool:
    """Returns False where nothing was held."""
    return OutboundHold.objects.all().delete()[0] > 0

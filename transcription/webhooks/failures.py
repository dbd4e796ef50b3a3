"""Explains why a delivery failed: a code for programs, words for people."""

from __future__ import annotations

from django.utils.translation import gettext as _


def reason_for_people(code: str, status: int | None) -> str:
    """Returns the cause and the way out; empty if nothing failed."""
    if not code:
        return ""
    if code == "status":
        return _("The receiver answered %(status)s.") % {"status": status}
    reasons = {
        "redirect": _("The receiver redirected elsewhere, which is not followed. Enter the new URL here."),
        "refused_url": _("The URL may not be used any more. Enter another one."),
        "refused_address": _("The address is not on the public internet."),
        "no_public_address": _("The host has no public address: its name is unknown, or of a private network."),
        "unreachable": _("Nobody answered at this host and port."),
        "tls": _("No encrypted connection came about: check the receiver’s certificate."),
        "timeout": _("The receiver took too long. Answer within 15 seconds, and do the work afterwards."),
        "broken": _("The connection broke off, or what came was not HTTP."),
        "secret_lost": _("The server’s SECRET_KEY was changed, and the webhook’s secret with it. Rotate the secret."),
    }
    return reasons.get(code, code)

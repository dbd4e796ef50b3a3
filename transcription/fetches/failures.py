"""Explains why a recording could not be fetched, in the reader's language."""

from __future__ import annotations

from django.utils.translation import gettext as _

from transcription import errors
from transcription.fetches.models import Fetch
from transcription.options.audio_tracks import NO_SUCH_TRACK


def reason_for_people(row: Fetch) -> str:
    """Returns the cause and the way out, empty without an error.

    A message with figures is returned in the language in which it was stored.
    """
    if row.error_code == NO_SUCH_TRACK:  # says how many there are
        return row.error_message
    reasons = {
        "refused_url": _("It was redirected to a URL that may not be used. Check where the link leads."),
        "refused_address": _("It leads to an address that is not on the public internet. Upload the file instead."),
        "no_public_address": _("The host has no public address: its name is unknown, or of a private network."),
        "unreachable": _("Nobody answered at this host and port."),
        "tls": _("No encrypted connection came about: the server’s certificate is not valid."),
        "timeout": _("The server took too long. Try again, or upload the file."),
        "too_slow": _("The file came too slowly. Try again, or upload it."),
        "too_many_redirects": _("One redirect followed the other. Check where the link leads."),
        "broken": _("The connection broke off, or what came was not HTTP."),
        "no_room": _("The server had no room for the file. Try later."),
        "lost_worker": _("Fetching it broke off again and again. Try again, or upload the file."),
    }
    if row.error_code in errors.REASONS_OF_THE_FILE:
        return errors.reason_for_people(row.error_code)
    return reasons.get(row.error_code, row.error_message)

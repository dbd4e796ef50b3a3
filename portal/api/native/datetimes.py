"""Moments as programs write them: date, time and zone."""

from __future__ import annotations

from datetime import UTC, datetime

from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from transcription.errors import InvalidOption


def checked_moment(text: str, param: str) -> datetime:
    """In UTC. A `+` that was not encoded in an address comes as a space. Raises InvalidOption."""
    try:
        return _moment(text)
    except ValueError:
        raise InvalidOption(param, _("Give date, time and zone, as in 2027-01-31T12:00:00Z.")) from None


def _moment(text: str) -> datetime:
    """Raises ValueError."""
    found = parse_datetime(text.replace(" ", "+") if "T" in text else text)
    if found is None or found.tzinfo is None:
        raise ValueError(text)
    try:
        return found.astimezone(UTC)
    except OverflowError:
        raise ValueError(text) from None

"""Dates and times as programs write them: with a time zone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from pydantic import ValidationInfo

from transcription.errors import InvalidOption


def checked_datetime(text: str, param: str) -> datetime:
    """Returns it in UTC. A `+` that was not encoded in an address comes as a space. Raises InvalidOption."""
    try:
        found = parse_datetime(text.replace(" ", "+") if "T" in text else text)
        if found is not None and found.tzinfo is not None:
            return found.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise InvalidOption(param, _("Give date, time and zone, as in 2027-01-31T12:00:00Z."))


def read_datetime(value: Any, info: ValidationInfo) -> Any:
    """Reads a field of a JSON body that is a string; anything else is for the field's own type to refuse."""
    return checked_datetime(value, str(info.field_name)) if isinstance(value, str) else value

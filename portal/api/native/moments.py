"""Moments as programs write them: date, time and zone."""

from __future__ import annotations

from datetime import UTC, datetime

from django.utils.dateparse import parse_datetime


def moment(text: str) -> datetime:
    """In UTC. A `+` that was not encoded in an address comes as a space. Raises ValueError."""
    found = parse_datetime(text.replace(" ", "+") if "T" in text else text)
    if found is None or found.tzinfo is None:
        raise ValueError(text)
    try:
        return found.astimezone(UTC)
    except OverflowError:
        raise ValueError(text) from None

"""Formats the figures of the operations page."""

from __future__ import annotations

from datetime import datetime, timedelta

from django import template
from django.utils.formats import number_format
from django.utils.timesince import timesince
from django.utils.translation import gettext as _

from tenants import units

register = template.Library()
DASH = "–"
DAY = timedelta(days=1)


@register.filter
def seconds(value: float | None) -> str:
    """Formats a duration as "34 ms", "1.4 s", "12 s", "3.5 min" or "2.1 h"; None as a dash."""
    if value is None:
        return DASH
    if 0 < value < 1:
        return _("%(n)s ms") % {"n": number_format(value * 1000, 0)}
    if value < 120:
        return _("%(n)s s") % {"n": number_format(value, 1 if 0 < value < 10 else 0)}
    if value < 7200:
        return _("%(n)s min") % {"n": number_format(value / 60, 1)}
    return _("%(n)s h") % {"n": number_format(value / 3600, 1)}


@register.filter
def precisely(value: float | None) -> str:
    """Formats a duration as "4 min 12 s"; None as a dash."""
    return DASH if value is None else units.precisely(value)


@register.filter
def until(begin: datetime | None, end: datetime) -> str:
    """Formats how long something has lasted as "4 min 12 s", or in Django's words from a day on; None as a dash."""
    if begin is None:
        return DASH
    lasted = end - begin
    return timesince(begin, end) if lasted >= DAY else units.precisely(max(0.0, lasted.total_seconds()))


@register.filter
def mebibytes(value: float | None) -> str:
    """Formats a size as "9783 MiB", or "12.4 GiB" from 10 GiB on; None as a dash."""
    if value is None:
        return DASH
    if value >= 10 * 1024:
        return _("%(n)s GiB") % {"n": number_format(value / 1024, 1)}
    return _("%(n)s MiB") % {"n": number_format(value, 0)}


@register.filter
def rate(value: float) -> str:
    """Formats audio seconds per second as "22.7×"."""
    return f"{number_format(value, 2 if value < 10 else 1)}×"

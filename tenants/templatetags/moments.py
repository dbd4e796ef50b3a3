"""Moments as mails say them, whose readers are in any time zone."""

from __future__ import annotations

from datetime import datetime, timedelta

from django import template
from django.template.defaultfilters import date as date_format

register = template.Library()


@register.filter(expects_localtime=True)
def zoned(moment: datetime) -> str:
    """Formats a date and time with its zone, as `30 November 2026, 19:15 UTC`."""
    return f"{date_format(moment, 'DATETIME_FORMAT')} {moment:%Z}"


@register.filter(expects_localtime=True)
def last_day(moment: datetime) -> str:
    """Formats the last day before an expiry, as `30 December 2026`."""
    return date_format(moment - timedelta(microseconds=1), "DATE_FORMAT")

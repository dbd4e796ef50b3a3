"""Seconds and bytes formatted for people."""

from __future__ import annotations

from django import forms
from django.template.defaultfilters import filesizeformat
from django.utils.formats import number_format
from django.utils.translation import gettext as _

MINUTE = 60
HOUR = 3600
MIB = 1024**2
GIB = 1024**3


def minutes(seconds: float) -> str:
    """Formats a duration as "12.5 min" or "34 s"."""
    if 0 < seconds < MINUTE:
        return _few(seconds)
    return _("%(minutes)s min") % {"minutes": number_format(round(seconds / MINUTE, 1), use_l10n=True)}


def audio(seconds: float) -> str:
    """Formats a duration as "12 min" or "34 s", rounded down so that a remainder is never overstated."""
    if 0 < seconds < MINUTE:
        return _few(seconds)
    return _("%(minutes)s min") % {"minutes": number_format(int(seconds // MINUTE), use_l10n=True)}


def precisely(seconds: float) -> str:
    """Formats a duration as "340 ms", "12.3 s", "4 min 12 s" or "2 h 5 min"."""
    if 0 < seconds < 1:
        return _("%(n)s ms") % {"n": number_format(round(seconds * 1000))}
    if seconds < MINUTE:
        return _("%(n)s s") % {"n": number_format(seconds, 1 if 0 < seconds < 10 else 0)}
    whole = round(seconds)
    if whole < HOUR:
        return _("%(minutes)d min %(seconds)d s") % {"minutes": whole // MINUTE, "seconds": whole % MINUTE}
    return _("%(hours)s h %(minutes)d min") % {
        "hours": number_format(whole // HOUR, use_l10n=True),
        "minutes": whole % HOUR // MINUTE,
    }


def _few(seconds: float) -> str:
    return _("%(seconds)s s") % {"seconds": number_format(max(1, int(seconds)), use_l10n=True)}


def size(count: int) -> str:
    """Formats a size as "1.2 GB"."""
    return filesizeformat(count)


class InUnits(forms.FloatField):
    """A whole number in the database that people enter in larger units: minutes for seconds, GiB for bytes."""

    def __init__(self, unit: int, **options: object) -> None:
        self.unit = unit
        super().__init__(**{"min_value": 0, **options})  # type: ignore[arg-type]

    def prepare_value(self, value: object) -> object:
        return f"{value / self.unit:.10g}" if isinstance(value, int) else value

    def has_changed(self, initial: object, data: object) -> bool:
        return str(self.prepare_value(initial)) != str(data)

    def clean(self, value: object) -> int | None:
        number = super().clean(value)
        return None if number is None else round(number * self.unit)

"""Form fields of limits, in the units that people think in."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.db import models
from django.http import HttpRequest
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from tenants import units
from tenants.models import Plan, Quota

IN_UNITS = {
    "monthly_seconds": (units.MINUTE, _("audio minutes a month")),
    "recording_seconds": (units.MINUTE, _("longest recording in minutes")),
    "upload_bytes": (units.MIB, _("largest upload in MiB")),
    "stored_bytes": (units.GIB, _("stored media in GiB")),
}
LABELS = {"share": _("share of the machines, beside other tenants")}
HELPS = {
    "monthly_seconds": _("Counted anew from the first of each month (UTC). 0: nothing is taken."),
    "concurrent": _("So many recordings of the tenant are worked on at the same time; more wait. 0: all wait."),
    "upload_bytes": _("Of one file. 1024 MiB are 1 GiB."),
    "recording_seconds": _("Of one recording. 240 minutes are four hours."),
    "stored_bytes": _("Sound and video of all its recordings, those in the bin included."),
    "requests_per_minute": _("With API keys, and so many at once; people in the portal are not counted."),
    "share": _(
        "1 is usual. While several tenants wait, one with 2 gets twice as much sound transcribed as one with 1."
    ),
}


class LimitsInUnits:
    """Mixin of admins of limits: their fields are in units, and begin with the installation's defaults."""

    def formfield_for_dbfield(
        self, db_field: models.Field[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> forms.Field | None:
        if db_field.name in IN_UNITS:
            unit, label = IN_UNITS[db_field.name]
            initial = settings.QUOTA_DEFAULTS[db_field.name]
            return units.InUnits(unit, label=capfirst(label), initial=initial, help_text=HELPS[db_field.name])
        field: forms.Field | None = super().formfield_for_dbfield(db_field, request, **kwargs)  # type: ignore[misc]
        if field and db_field.name in LABELS:
            field.label = capfirst(LABELS[db_field.name])
        if field and db_field.name in settings.QUOTA_DEFAULTS:
            field.initial = settings.QUOTA_DEFAULTS[db_field.name]
        if field and db_field.name in HELPS:
            field.help_text = HELPS[db_field.name]
        return field


def label_of(name: str) -> str:
    labels = {field.name: field.verbose_name for field in Quota._meta.fields}
    return str(IN_UNITS[name][1] if name in IN_UNITS else LABELS.get(name, labels[name]))


def shown(limits: Plan | Quota, name: str) -> str:
    """Returns a limit in the unit of its field."""
    value = getattr(limits, name)
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    return f"{value / IN_UNITS[name][0]:.10g}" if name in IN_UNITS else str(value)

"""The filter form of the audit log."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from typing import Any

from django import forms
from django.core.validators import MaxValueValidator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from portal.web.key_forms import LAST_DAY
from tenants.audit import ACTIONS, Filter

ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)


def action_choices() -> list[tuple[str, Any]]:
    return [("", gettext("Anything")), *ACTIONS.items()]


class AuditForm(forms.Form):
    """Filters the audit log. Invalid values are ignored."""

    action = forms.ChoiceField(label=_("What"), required=False, choices=action_choices)
    actor = forms.CharField(
        label=_("Who"),
        required=False,
        max_length=254,
        widget=forms.TextInput(attrs={"placeholder": _("E-mail or key"), "autocomplete": "off"}),
    )
    object = forms.CharField(
        label=_("Object"),
        required=False,
        max_length=400,
        widget=forms.TextInput(attrs={"placeholder": _("Id or link"), "autocomplete": "off"}),
    )
    since = forms.DateField(
        label=_("From"), required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    until = forms.DateField(
        label=_("Through"),
        required=False,
        validators=[MaxValueValidator(LAST_DAY)],
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )

    @property
    def wanted(self) -> Filter:
        """The filter; its days are in UTC."""
        self.is_valid()
        since, until = self.cleaned_data.get("since"), self.cleaned_data.get("until")
        return Filter(
            action=self.cleaned_data.get("action", ""),
            actor=self.cleaned_data.get("actor", ""),
            object_id=_id_in(self.cleaned_data.get("object", "")),
            since=datetime.combine(since, time.min, UTC) if since else None,
            until=datetime.combine(until + timedelta(days=1), time.min, UTC) if until else None,
        )


def _id_in(typed: str) -> str:
    """Returns the id in the address of a page, or what was typed."""
    found = ID.search(typed)
    return found[0].lower() if found else typed[:40]

"""The forms of API keys."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from django import forms
from django.core.validators import MaxValueValidator
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from portal.web.forms import LinesField
from tenants.access import Actor
from tenants.api_keys import GRACE, Changes, InvalidKey
from tenants.models import ApiKey, KeyScope
from transcription.errors import InvalidOption
from transcription.folders import of_keys

LAST_DAY = date(9999, 12, 30)


def scope_choices() -> list[tuple[str, str]]:
    """Returns the scopes with what they allow."""
    return [
        (KeyScope.READ, gettext("Only read")),
        (KeyScope.WRITE, gettext("Read, transcribe, edit and delete")),
        (KeyScope.ADMIN, gettext("That, and manage keys, webhooks, audit")),
    ]


def grace_choices() -> list[tuple[int, str]]:
    """Returns the grace periods in seconds with their names."""
    return [
        (0, gettext("at once")),
        (3600, gettext("1 hour more")),
        (24 * 3600, gettext("24 hours more")),
        (7 * 24 * 3600, gettext("7 days more")),
    ]


class KeyForm(forms.Form):
    """The fields of a new key; tenants.api_keys validates them."""

    name = forms.CharField(
        label=_("What will use it?"),
        max_length=100,
        widget=forms.TextInput(attrs={"placeholder": _("Podcast importer"), "autocomplete": "off"}),
    )
    scope = forms.ChoiceField(label=_("The key can"), choices=scope_choices, initial=KeyScope.WRITE, required=False)
    expires_on = forms.DateField(
        label=_("Last day"),
        required=False,
        validators=[MaxValueValidator(LAST_DAY)],
        help_text=_("It expires at the end of that day. Empty: never."),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    addresses = LinesField(
        label=_("Allowed addresses"),
        required=False,
        max_length=4000,
        help_text=_("IP addresses and networks such as 203.0.113.0/24 or 2001:db8::/32, one a line. Empty: any."),
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
    )

    folders = LinesField(
        label=_("Limited to folders"),
        required=False,
        max_length=30_000,
        help_text=_("Names of folders, one a line: it sees and adds to these only. Empty: all but private ones."),
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
    )

    @property
    def expires_at(self) -> datetime | None:
        """The end of the chosen day in the portal's time zone."""
        day: date | None = self.cleaned_data["expires_on"]
        return timezone.make_aware(datetime.combine(day + timedelta(days=1), time.min)) if day else None

    @property
    def networks(self) -> list[str]:
        return str(self.cleaned_data["addresses"]).replace(",", " ").split()

    @property
    def folder_names(self) -> list[str]:
        return list(filter(None, map(str.strip, str(self.cleaned_data["folders"]).splitlines())))

    @property
    def limits(self) -> list[forms.BoundField]:
        """The optional fields."""
        return [self["expires_on"], self["addresses"], self["folders"]]

    @property
    def has_limits(self) -> bool:
        return any(bool(field.value()) or bool(field.errors) for field in self.limits)

    def refuse(self, invalid: InvalidKey | InvalidOption) -> None:
        """Adds an error of tenants.api_keys, or of a folder, to its field."""
        field = invalid.field if isinstance(invalid, InvalidKey) else "folders"
        self.add_error({"expires_at": "expires_on"}.get(field, field), str(invalid))


class KeyChangeForm(KeyForm):
    """The editable fields of a key."""

    key: ApiKey
    scope = None  # type: ignore[assignment]  # Django's way to leave a field out
    sees_all = forms.BooleanField(
        label=_("No limit: it may see all folders but private ones"),
        required=False,
        help_text=_("Tick this to take the last folder away."),
    )

    @classmethod
    def of(cls, key: ApiKey, data: QueryDict | None = None) -> KeyChangeForm:
        last_moment = timezone.localtime(key.expires_at - timedelta(microseconds=1)) if key.expires_at else None
        kept = {
            "name": key.name,
            "expires_on": last_moment.date() if last_moment else None,
            "addresses": "\n".join(key.addresses),
            "folders": "\n".join(of_keys.lines(key)),
        }
        form = cls(data, initial=kept, auto_id="key_%s")
        form.key = key
        if not key.folders:
            del form.fields["sees_all"]
        return form

    def changes(self, actor: Actor) -> Changes:
        """The changed fields only, which preserves the exact time of an expiry that a program has set.

        Raises InvalidOption.
        """
        wanted = Changes()
        if "name" in self.changed_data:
            wanted["name"] = self.cleaned_data["name"]
        if "expires_on" in self.changed_data:
            wanted["expires_at"] = self.expires_at
        if "addresses" in self.changed_data:
            wanted["addresses"] = self.networks
        if "folders" in self.changed_data:
            is_opened = not self.folder_names and self.cleaned_data.get("sees_all", True)
            wanted["folders"] = of_keys.chosen(actor, None if is_opened else self.folder_names, self.key)
        return wanted


class RotationForm(forms.Form):
    """The grace period of the old secret."""

    grace = forms.TypedChoiceField(
        label=_("The old secret works for"), choices=grace_choices, coerce=int, initial=int(GRACE.total_seconds())
    )

    @property
    def chosen(self) -> timedelta:
        return timedelta(seconds=self.cleaned_data["grace"])

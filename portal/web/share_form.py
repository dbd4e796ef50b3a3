"""The form of a share link."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.core.validators import MaxValueValidator
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from portal.web.forms import LinesField
from portal.web.key_forms import LAST_DAY
from portal.web.refusable_form import RefusableForm
from transcription.shares import links
from transcription.shares.links import LinkOptions
from transcription.shares.models import LONGEST_LABEL, Level, levels

MOMENT = re.compile(r"(?:(?:(\d{1,3}):)?(\d{1,4}):)?(\d{1,6}(?:[.,]\d{1,3})?)", re.ASCII)


class MomentField(forms.CharField):
    """A time in the recording, such as 1:05 or 1:02:05.5, as seconds; None where it is empty."""

    def __init__(self, **more: Any) -> None:
        super().__init__(required=False, max_length=16, **more)
        self.widget.attrs |= {"inputmode": "numeric", "autocomplete": "off", "placeholder": "0:00"}

    def clean(self, value: Any) -> float | None:
        text = super().clean(value).strip()
        if not text:
            return None
        found = MOMENT.fullmatch(text)
        if found is None:
            raise forms.ValidationError(_("Write it as minutes and seconds, as in 1:05."))
        hours, minutes, seconds = found.groups()
        return 3600 * int(hours or 0) + 60 * int(minutes or 0) + float(seconds.replace(",", "."))


class ShareForm(RefusableForm):
    """What a link shows, to whom and for how long; `links` checks it."""

    field_of = {"expires_at": "expires_on", "email": "guests_by_mail"}
    prefix = "share"
    label = forms.CharField(
        label=gettext_lazy("For whom?"),
        max_length=LONGEST_LABEL,
        required=False,
        help_text=gettext_lazy("Only your organisation reads this."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    level = forms.ChoiceField(
        label=gettext_lazy("Anyone with the link can"),
        choices=levels,
        required=False,
        help_text=gettext_lazy(
            "Who comments sees what your organisation comments on it, too. They give a name, and what they write says "
            "that it came by this link."
        ),
    )
    guests_by_mail = LinesField(
        label=gettext_lazy("Guests by e-mail"),
        required=False,
        max_length=4000,
        help_text=gettext_lazy(
            "One address a line: each gets a link of their own by e-mail, and what they write carries the address. "
            "Empty: one link, for you to pass on."
        ),
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false", "autocomplete": "off"}),
    )
    expires_on = forms.DateField(
        label=gettext_lazy("Last day"),
        required=False,
        validators=[MaxValueValidator(LAST_DAY)],
        help_text=gettext_lazy("Empty: until it is revoked."),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    with_sound = forms.BooleanField(label=gettext_lazy("With the sound"), required=False, initial=True)
    with_download = forms.BooleanField(label=gettext_lazy("Downloads allowed"), required=False)
    password = forms.CharField(
        label=gettext_lazy("Password"),
        max_length=links.LONGEST_PASSWORD,
        required=False,
        strip=False,
        help_text=gettext_lazy("Tell it them by another way than the link. Empty: none."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    most_openings = forms.IntegerField(
        label=gettext_lazy("How often it can be opened"),
        required=False,
        min_value=1,
        max_value=links.MOST_OPENINGS,
        help_text=gettext_lazy("Empty: any number of times."),
    )
    start = MomentField(label=gettext_lazy("Only from"))
    end = MomentField(
        label=gettext_lazy("Only until"), help_text=gettext_lazy("Nothing else is sent, neither text nor sound.")
    )

    origins = LinesField(
        label=gettext_lazy("Sites that may embed the player"),
        required=False,
        max_length=4000,
        help_text=gettext_lazy(
            "As in https://acme.example, one a line, for links to look and listen alone. Empty: none."
        ),
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
    )

    def __init__(self, data: QueryDict | None = None) -> None:
        last = timezone.localdate(links.usual_expiry())
        super().__init__(data, initial={"expires_on": last}, auto_id="share_%s")

    @property
    def usual(self) -> list[forms.BoundField]:
        return [
            self[name] for name in ("label", "level", "guests_by_mail", "expires_on", "with_sound", "with_download")
        ]

    @property
    def limits(self) -> list[forms.BoundField]:
        """The fields that most people leave empty."""
        return [self[name] for name in ("password", "most_openings", "start", "end", "origins")]

    @property
    def has_limits(self) -> bool:
        return any(bool(field.errors) for field in self.limits)

    @property
    def guests(self) -> list[str]:
        return str(self.cleaned_data["guests_by_mail"]).replace(",", " ").replace(";", " ").split()

    @property
    def wanted(self) -> LinkOptions:
        values = dict(self.cleaned_data)
        values.pop("guests_by_mail")
        values["level"] = values["level"] or Level.VIEW
        values["origins"] = str(values["origins"]).replace(",", " ").split()
        return LinkOptions(expires_at=self._end_of(values.pop("expires_on")), **values)

    def _end_of(self, day: date | None) -> datetime | None:
        """The end of the chosen day in the portal's time zone."""
        return timezone.make_aware(datetime.combine(day + timedelta(days=1), time.min)) if day else None

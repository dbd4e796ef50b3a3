"""What an organisation decides for itself: the forms that its page and the API fill, and their saving."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from django import forms
from django.db import transaction
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from tenants import audit
from tenants.access import Actor
from tenants.models import Tenant
from transcription.errors import InvalidOption
from transcription.options.offered_models import default_model, offered_models
from transcription.options.options import checked_languages
from transcription.options.speakers import AUTO, OFF
from transcription.transcripts import terms

PERMISSION = "preferences.manage"
LIKELY_SPEAKERS = range(1, 11)
LIKELY_RANGES = ((2, 4), (3, 6), (5, 10))
Form = TypeVar("Form", bound="OrganisationForm")


def offered() -> list[tuple[str, str]]:
    return [(name, name) for name in offered_models()]


def default_model_choices() -> list[tuple[str, str]]:
    return [("", gettext("The first one of this installation (%(name)s)") % {"name": default_model()}), *offered()]


def short_clip_choices() -> list[tuple[str, str]]:
    return [("", gettext("The same as for any other")), *offered()]


def speakers_choices() -> list[tuple[str, str]]:
    """Returns whether speakers are told apart, and how many there may be."""
    numbers = [(str(number), gettext("Exactly %(number)d") % {"number": number}) for number in LIKELY_SPEAKERS]
    ranges = [
        (f"{least}-{most}", gettext("%(least)d to %(most)d") % {"least": least, "most": most})
        for least, most in LIKELY_RANGES
    ]
    return [(OFF, gettext("Don’t tell them apart")), (AUTO, gettext("Find out how many there are")), *numbers, *ranges]


class OrganisationForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's takes none at run time
    """Some of what an organisation decides."""

    @classmethod
    def of(cls: type[Form], tenant: Tenant, changes: Mapping[str, Any]) -> Form:
        """Returns the form with only those fields that are changed."""
        form = cls(dict(changes), instance=tenant)
        form.fields = {name: field for name, field in form.fields.items() if name in changes}
        return form

    def save_for(self, actor: Actor) -> None:
        """Saves of the tenant's row only what was changed here. Raises PermissionDenied."""
        actor.require(PERMISSION)
        with transaction.atomic():
            self.instance.save(update_fields=self.changed_data)
            if self.changed_data:
                audit.record(actor, "preferences.changed", actor.tenant, fields=self.changed_data)


class PreferencesForm(OrganisationForm):
    """How an organisation's recordings are transcribed where a request doesn't say."""

    default_model = forms.ChoiceField(
        label=_("Model"),
        choices=default_model_choices,
        required=False,
        help_text=_(
            "Where the default model is asked for. A large one is more often right, a small one or turbo is faster."
        ),
    )
    short_clip_model = forms.ChoiceField(
        label=_("Model for clips under 30 seconds"),
        choices=short_clip_choices,
        required=False,
        help_text=_("Where the default model is asked for. A model that is asked for by its name is always used."),
    )

    speakers = forms.ChoiceField(
        label=_("Speakers"),
        choices=speakers_choices,
        help_text=_("Who says what is found out beside the text; a transcript takes longer."),
    )

    class Meta:
        model = Tenant
        fields = (
            "default_mode",
            "default_model",
            "short_clip_model",
            "languages",
            "speakers",
            "hotwords",
            "hears_terms",
            "bin_days",
        )
        help_texts = {
            "languages": _(
                "Such as English, German or pl, with commas between them: where a request names no language, it is "
                "detected among these. Empty: among all."
            )
        }

    def clean_languages(self) -> str:
        try:
            return checked_languages(self.cleaned_data["languages"])
        except InvalidOption as invalid:
            raise forms.ValidationError(str(invalid)) from invalid

    def clean_hotwords(self) -> str:
        """Returns them with one character at the end of a line, where browsers send two."""
        return str(self.cleaned_data["hotwords"]).replace("\r\n", "\n")

    def save_for(self, actor: Actor) -> None:
        """An operator who acts for a member doesn't decide when what is deleted is erased."""
        if "bin_days" in self.changed_data:
            actor.require_in_person()
        with transaction.atomic():
            super().save_for(actor)
            terms.note_hotwords(actor.tenant.id)


class AccessForm(OrganisationForm):
    """Who is let in from outside an organisation: no operator decides it for a member."""

    class Meta:
        model = Tenant
        fields = ("allows_sharing", "allows_guests", "bars_support")
        labels = {"bars_support": _("Don’t let support act for members")}

    def save_for(self, actor: Actor) -> None:
        actor.require_in_person()
        super().save_for(actor)

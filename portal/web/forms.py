"""What people may choose and type."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from portal.web.languages import language_choices
from transcription.catalogue import default_model, offered_models
from transcription.models import Status, Task, Transcription


def model_choices() -> list[tuple[str, str]]:
    return [(name, name) for name in offered_models()]


class OptionsForm(forms.Form):
    """How a recording is to be transcribed. Offers the choices; TranscriptionOptions checks them."""

    language = forms.ChoiceField(label=_("Spoken language"), choices=language_choices, required=False)
    task = forms.ChoiceField(label=_("Text"), choices=Task.choices, initial=Task.TRANSCRIBE)
    model = forms.ChoiceField(label=_("Model"), choices=model_choices, initial=default_model)

    @classmethod
    def like(cls, transcription: Transcription) -> OptionsForm:
        """Filled with the options of an earlier transcription, as far as they are still offered."""
        options = {"language": transcription.language, "task": transcription.task}
        if transcription.model in offered_models():
            options["model"] = transcription.model
        return cls(initial=options, auto_id="again_%s")


class FilterForm(forms.Form):
    """Which recordings the list shows. Whatever is not a status shows all."""

    search = forms.CharField(required=False, max_length=200)
    status = forms.ChoiceField(required=False, choices=[("", _("Any status")), *Status.choices])

    @property
    def wanted(self) -> dict[str, str]:
        """The checked choices, fit for `library.recordings`."""
        self.is_valid()
        return {name: self.cleaned_data.get(name, "") for name in ("search", "status")}


class KeyForm(forms.Form):
    name = forms.CharField(
        label=_("What will use it?"),
        max_length=100,
        widget=forms.TextInput(attrs={"placeholder": _("Podcast importer"), "autocomplete": "off"}),
    )

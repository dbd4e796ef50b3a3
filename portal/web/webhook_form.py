from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from portal.web.refusable_form import RefusableForm
from transcription.webhooks.endpoints import LONGEST_DESCRIPTION
from transcription.webhooks.models import SUBSCRIBABLE, Endpoint, EventType


class WebhookForm(RefusableForm):
    """The URL, description and events of a webhook; `endpoints` validates them."""

    url = forms.CharField(
        label=_("URL"),
        max_length=2000,
        widget=forms.URLInput(attrs={"placeholder": "https://example.com/hooks", "autocomplete": "off"}),
    )
    description = forms.CharField(label=_("Description"), max_length=LONGEST_DESCRIPTION, required=False)
    events = forms.MultipleChoiceField(
        label=_("Events"),
        choices=[(kind.value, kind.label) for kind in EventType if kind in SUBSCRIBABLE],
        initial=SUBSCRIBABLE,
        widget=forms.CheckboxSelectMultiple,
    )

    only_by_rules = forms.BooleanField(
        label=_("Only of recordings for which a rule says so"),
        required=False,
        help_text=_("Without this it is told of all. Choose it in a rule afterwards."),
    )

    @classmethod
    def of(cls, endpoint: Endpoint) -> WebhookForm:
        events = endpoint.events or SUBSCRIBABLE
        own = {"url": endpoint.url, "description": endpoint.description, "only_by_rules": endpoint.only_by_rules}
        return cls(initial=own | {"events": events})

    @property
    def wanted(self) -> tuple[str, str, list[str], bool]:
        """URL, description, events, and whether rules decide; no events if all are selected, and future ones."""
        events = self.cleaned_data["events"]
        return (
            self.cleaned_data["url"],
            self.cleaned_data["description"],
            [] if len(events) == len(SUBSCRIBABLE) else events,
            self.cleaned_data["only_by_rules"],
        )

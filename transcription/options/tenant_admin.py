"""The operators' page of a tenant, whose models and languages are checked, as tenants/ knows neither."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext

from tenants.admin.tenants import TenantAdmin, TenantForm
from transcription.errors import InvalidOption
from transcription.options.offered_models import offered_models
from transcription.options.options import checked_languages


class CheckedTenantForm(TenantForm):
    def clean_languages(self) -> str:
        try:
            return checked_languages(self.cleaned_data["languages"])
        except InvalidOption as invalid:
            raise forms.ValidationError(str(invalid)) from None

    def clean_default_model(self) -> str:
        return self._offered("default_model")

    def clean_short_clip_model(self) -> str:
        return self._offered("short_clip_model")

    def _offered(self, name: str) -> str:
        """Lets a model that is offered no longer stand. Raises ValidationError."""
        model: str = self.cleaned_data[name]
        if model and name in self.changed_data and model not in offered_models():
            text = gettext("“%(model)s” is not offered here. There are: %(offered)s.")
            raise forms.ValidationError(text % {"model": model, "offered": ", ".join(offered_models())})
        return model


class CheckedTenantAdmin(TenantAdmin):
    form: Any = CheckedTenantForm

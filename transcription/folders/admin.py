"""The operators' page of API keys, with the folders that a key is limited to."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from tenants import api_keys
from tenants.access import Actor
from tenants.admin import ApiKeyAdmin, operator_of
from tenants.admin.base import AsSeen
from tenants.models import ApiKey
from transcription.errors import InvalidOption
from transcription.folders import of_keys

FACTS = (
    *("name", "prefix", "tenant", "scope", "maker", "created_at", "last_used_at", "expires_at", "revoked_at"),
    *("kept_at", "addresses", "old_prefix", "old_until", "old_last_used_at"),
)


class LimitsForm(AsSeen):
    """The folders of a key, as an owner types them on its page."""

    class Meta:
        labels = {
            "kept_at": _("Kept when its maker left"),
            "old_prefix": _("Prefix of the secret before"),
            "old_until": _("The secret before works until"),
            "old_last_used_at": _("The secret before was last used"),
        }
        help_texts = {"kept_at": _("When somebody decided that it goes on without the person who made it.")}

    actor: Actor
    limits = forms.CharField(
        label=_("Limited to folders"),
        required=False,
        max_length=30_000,
        help_text=_("Names of folders, one a line: it sees and adds to these only. Empty: all but private ones."),
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
    )
    sees_all = forms.BooleanField(
        label=_("No limit: it may see all folders but private ones"),
        required=False,
        help_text=_("Tick this to take the last folder away."),
    )

    def __init__(self, *args: Any, instance: ApiKey | None = None, **kwargs: Any) -> None:
        initial = {"limits": "\r\n".join(of_keys.lines(instance))} if instance else {}
        super().__init__(*args, instance=instance, initial=initial, **kwargs)

    def clean(self) -> dict[str, Any]:
        values = super().clean()
        names = [*filter(None, map(str.strip, values.get("limits", "").splitlines()))]
        is_opened = not names and (values.get("sees_all") or not self.instance.folders)
        try:
            chosen = of_keys.chosen(self.actor, None if is_opened else names, self.instance)
            values["folders"] = api_keys.checked_folders(chosen, self.instance.scope)
        except (InvalidOption, api_keys.InvalidKey) as invalid:
            self.add_error("limits", str(invalid))
        return values


class LimitedKeyAdmin(ApiKeyAdmin):
    """Limits keys to folders; nothing else of them is changed."""

    form = LimitsForm
    list_display = (*ApiKeyAdmin.list_display, "folder_count")
    readonly_fields = (*FACTS, "folder_names")

    def has_change_permission(self, request: HttpRequest, key: ApiKey | None = None) -> bool:
        return admin.ModelAdmin.has_change_permission(self, request, key) and not (key and key.is_revoked)

    def get_fields(self, request: HttpRequest, key: ApiKey | None = None) -> Any:
        if key is None or not self.has_change_permission(request, key):
            return [*FACTS, "folder_names"]
        return [*FACTS, "limits", *(["sees_all"] if key.folders else []), "seen"]

    def get_form(self, request: HttpRequest, obj: ApiKey | None = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        return type(form.__name__, (form,), {"actor": operator_of(request, obj.tenant)}) if obj else form

    def save_model(self, request: HttpRequest, key: ApiKey, form: Any, change: bool) -> None:
        """Raises PermissionDenied where the key was revoked meanwhile."""
        try:
            api_keys.change(cast(LimitsForm, form).actor, key.id, {"folders": form.cleaned_data["folders"]})
        except api_keys.KeyConflict as conflict:
            raise PermissionDenied(str(conflict)) from None

    @admin.display(description=_("folders"))
    def folder_count(self, key: ApiKey) -> str:
        n = len(key.folders)
        return ngettext("limited to %(n)s folder", "limited to %(n)s folders", n) % {"n": n} if n else ""

    @admin.display(description=_("Limited to folders"))
    def folder_names(self, key: ApiKey) -> str:
        return ", ".join(of_keys.names(key)) or gettext("All but private ones")

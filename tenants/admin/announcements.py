"""The operators' pages of announcements and of maintenance."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext, ngettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from tenants.admin.base import IsSet
from tenants.announcements import maintenance
from tenants.models import Announcement, Maintenance

LONG = {"text_en": forms.Textarea({"rows": 2, "cols": 80}), "text_zh": forms.Textarea({"rows": 2, "cols": 80})}


class AnnouncementForm(forms.ModelForm):
    class Meta:
        widgets = LONG
        labels = {"starts_at": _("Shown from (UTC)"), "ends_at": _("Shown until (UTC)")}
        help_texts = {
            "text_en": _("At most 500 characters, shown as they are: no HTML."),
            "text_zh": _("For people who have the portal in Chinese. It is needed, too."),
            "level": _("Only its colour. Everybody can dismiss it for themselves."),
            "ends_at": _("Empty: until you end or delete it."),
            "tenants": _("Members of these see it, where it is not for all tenants."),
        }

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if bool(values.get("for_all")) == bool(values.get("tenants")):
            self.add_error("for_all", gettext("Choose either all tenants or some."))
        return values


@admin.register(Announcement)
class AnnouncementAdmin(admin.ModelAdmin):
    form = AnnouncementForm
    list_display = ("text", "level", "starts_at", "ends_at", "for_whom", "dismissed")
    list_filter = ("level", "starts_at", ("ends_at", IsSet))
    search_fields = ("text_en", "text_zh", "tenants__name")
    autocomplete_fields = ("tenants",)
    fields = ("text_en", "text_zh", "level", "for_all", "tenants", "starts_at", "ends_at")
    actions = ("end_now",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Announcement]:
        counts = {"tenant_count": Count("tenants", distinct=True), "read_count": Count("dismissals", distinct=True)}
        rows: QuerySet[Announcement] = super().get_queryset(request).annotate(**counts)
        return rows

    @admin.display(description=pgettext_lazy("announcement", "for"))
    def for_whom(self, row: Announcement) -> str:
        count = int(getattr(row, "tenant_count", 0))
        return gettext("all") if row.for_all else ngettext("%(n)d tenant", "%(n)d tenants", count) % {"n": count}

    @admin.display(description=_("dismissed by"))
    def dismissed(self, row: Announcement) -> int:
        return int(getattr(row, "read_count", 0))

    @admin.action(description=_("End the selected announcements now"), permissions=["change"])
    def end_now(self, request: HttpRequest, rows: QuerySet[Announcement]) -> None:
        for row in rows:
            row.ends_at = timezone.now()
            row.save(update_fields=["ends_at"])
            self.log_change(request, row, gettext("Ended."))


class MaintenanceForm(forms.ModelForm):
    class Meta:
        widgets = LONG
        labels = {"expected_end": _("Expected end (UTC)")}
        help_texts = {
            "text_en": _("Shown on every page and told to programs, such as why and for how long."),
            "text_zh": _("For people who have the portal in Chinese. It is needed, too."),
            "expected_end": _("Told to people. It ends nothing: choose “Switch maintenance off” in the list."),
        }

    def clean_expected_end(self) -> datetime | None:
        moment: datetime | None = self.cleaned_data["expected_end"]
        if moment is not None and moment <= timezone.now() and "expected_end" in self.changed_data:
            raise forms.ValidationError(gettext("This time is over."))
        return moment


@admin.register(Maintenance)
class MaintenanceAdmin(admin.ModelAdmin):
    """To add one switches maintenance on; it is switched off by an action, and kept as a record."""

    form = MaintenanceForm
    fieldsets = (
        (
            None,
            {
                "fields": ("text_en", "text_zh", "expected_end", "started_at", "ended_at"),
                "description": _(
                    "Saving switches maintenance on at once, for all tenants: people and programs can read, and add or "
                    "change nothing. What was accepted is still transcribed."
                ),
            },
        ),
    )
    list_display = ("text", "started_at", "expected_end", "ended_at")
    list_filter = (("ended_at", IsSet),)
    search_fields = ("text_en", "text_zh")
    readonly_fields = ("started_at", "ended_at")
    actions = ("end_now",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and maintenance() is None

    def has_change_permission(self, request: HttpRequest, row: Maintenance | None = None) -> bool:
        return super().has_change_permission(request, row) and (row is None or row.ended_at is None)

    def has_delete_permission(self, request: HttpRequest, _row: Any = None) -> bool:
        return False

    @admin.action(description=_("Switch maintenance off"), permissions=["change"])
    def end_now(self, request: HttpRequest, rows: QuerySet[Maintenance]) -> None:
        for row in rows.filter(ended_at=None):
            row.ended_at = timezone.now()
            row.save(update_fields=["ended_at"])
            self.log_change(request, row, gettext("Switched off."))
            self.message_user(request, gettext("Maintenance is over."), messages.SUCCESS)

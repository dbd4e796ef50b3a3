"""The operators' pages of recordings, transcriptions and engines. Read-only, except for the action `cancel`.

The page of API keys is the tenants' one with the folders, of which they know nothing.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from tenants import audit, units
from tenants.admin import ReadOnly, operator_of
from tenants.models import ApiKey
from transcription.folders.admin import LimitedKeyAdmin
from transcription.models import Attempt, Engine, Recording, Transcription
from transcription.options.options import OPTIONS
from transcription.queue import lifecycle

admin.site.unregister(ApiKey)
admin.site.register(ApiKey, LimitedKeyAdmin)


class AttemptInline(ReadOnly, admin.TabularInline):
    model = Attempt
    fields = readonly_fields = ("fence", "worker", "started_at", "finished_at", "outcome", "error")
    extra = 0


@admin.register(Transcription)
class TranscriptionAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("name", "tenant", "status", "lane", "model", "length", "progress", "attempts_made", "created_at")
    list_filter = ("status", "lane", "model", "tenant", "error_code")
    list_select_related = ("recording", "tenant")
    search_fields = ("id", "recording__id", "recording__name", "tenant__name")
    date_hierarchy = "created_at"
    inlines = (AttemptInline,)
    actions = ("cancel",)
    fieldsets = (
        (None, {"fields": ("name", "tenant", "status", "progress", "error_code", "error_message")}),
        (_("Options"), {"fields": (*OPTIONS, "lane")}),
        (_("Way"), {"fields": ("created_at", "started_at", "finished_at", "not_before", "lease_until", "worker")}),
        (
            _("Result"),
            {
                "fields": (
                    "length",
                    "detected_language",
                    "heard_languages",
                    "processing_seconds",
                    "warnings",
                    "speakers_error",
                )
            },
        ),
    )

    def get_readonly_fields(self, request: HttpRequest, row: Any = None) -> list[str]:
        return [name for _title, options in self.fieldsets for name in options["fields"]]  # type: ignore[misc]

    @admin.action(description=_("Cancel the selected transcriptions"), permissions=["view"])
    def cancel(self, request: HttpRequest, rows: QuerySet[Transcription]) -> None:
        count = sum(_cancel(request, row) for row in rows)
        text = ngettext("%(n)d transcription was cancelled.", "%(n)d transcriptions were cancelled.", count)
        if count < len(rows):
            text += " " + gettext("The others were over already.")
        self.message_user(request, text % {"n": count}, messages.SUCCESS if count else messages.WARNING)

    @admin.display(description=_("recording"), ordering="recording__name")
    def name(self, row: Transcription) -> str:
        return row.recording.name

    @admin.display(description=_("length"), ordering="recording__duration_seconds")
    def length(self, row: Transcription) -> str:
        return units.minutes(row.recording.duration_seconds)

    @admin.display(description=_("progress"))
    def progress(self, row: Transcription) -> str:
        return f"{row.percent} %"


def _cancel(request: HttpRequest, row: Transcription) -> bool:
    with transaction.atomic():
        cancelled = lifecycle.cancel(row)
        if cancelled:
            actor = operator_of(request, row.tenant)
            audit.record(actor, "transcription.cancelled", row, recording=str(row.recording_id))
    return cancelled


@admin.register(Recording)
class RecordingAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("name", "tenant", "length", "size", "source", "created_at", "deleted_at", "work")
    list_filter = ("source", ("deleted_at", admin.EmptyFieldListFilter), "tenant")
    list_select_related = ("tenant",)
    search_fields = ("id", "name", "tenant__name", "sha256")
    date_hierarchy = "created_at"
    fields = (
        *("name", "tenant", "source", "created_by", "api_key", "created_at", "deleted_at"),
        *("length", "size", "format", "codec", "sha256", "work"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request).defer("peaks").annotate(count=Count("transcriptions"))
        return rows

    @admin.display(description=_("length"), ordering="duration_seconds")
    def length(self, row: Recording) -> str:
        return units.minutes(row.duration_seconds)

    @admin.display(description=_("size"), ordering="bytes")
    def size(self, row: Recording) -> str:
        return units.size(row.bytes)

    @admin.display(description=_("transcriptions"), ordering="count")
    def work(self, row: Recording) -> str:
        address = reverse("admin:transcription_transcription_changelist")
        return format_html('<a href="{}?q={}">{}</a>', address, row.id, getattr(row, "count", 0))


@admin.register(Engine)
class EngineAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("name", "host", "backend", "device", "rung", "ready", "problem", "workers_alive", "updated_at")

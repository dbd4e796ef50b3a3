"""The operators' pages of recordings, transcriptions and engines. Read-only, except for the action `cancel`.

The pages of API keys and of tenants are the tenants' own with folders and models, of which they know nothing.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from tenants import audit, units
from tenants.admin import IsSet, OfTenant, ReadOnly, operator_of
from tenants.models import ApiKey, Tenant
from transcription.folders.admin import LimitedKeyAdmin
from transcription.models import Attempt, Engine, Recording, Transcription
from transcription.options.options import OPTIONS
from transcription.options.tenant_admin import CheckedTenantAdmin
from transcription.queue import lifecycle

admin.site.unregister(ApiKey)
admin.site.register(ApiKey, LimitedKeyAdmin)
admin.site.unregister(Tenant)
admin.site.register(Tenant, CheckedTenantAdmin)


TIMES = ("created_at", "started_at", "finished_at", "not_before", "lease_until")


class AttemptForm(forms.ModelForm):
    class Meta:
        labels = {"fence": _("number")}


class TranscriptionForm(forms.ModelForm):
    class Meta:
        labels = {
            "not_before": _("Next attempt not before"),
            "lease_until": _("Its worker has it until"),
            "request_id": _("Request (X-Request-Id)"),
            "error_message": _("What went wrong"),
        }
        help_texts = {
            "not_before": _("After a failure it waits until then before it is tried again."),
            "lease_until": _("Moves on with each piece of text. Once it is over, another worker goes on from there."),
            "worker": _("The engine’s name and the process; the log of its machine says more."),
            "request_id": _("Look for it in the logs of all processes."),
            "warnings": _("What the reader of the text is told about the sound."),
        }


class AttemptInline(ReadOnly, admin.TabularInline):
    model = Attempt
    form = AttemptForm
    fields = readonly_fields = ("fence", "worker", "started_at", "finished_at", "outcome", "error")
    extra = 0


@admin.register(Transcription)
class TranscriptionAdmin(ReadOnly, admin.ModelAdmin):
    list_display = (
        *("name", "tenant", "status", "error_code", "lane", "model", "length", "progress", "attempts_made"),
        "created_at",
    )
    list_filter = ("status", "lane", "model", ("tenant", OfTenant), "error_code")
    list_select_related = ("recording", "tenant")
    search_fields = ("id", "recording__id", "recording__name", "tenant__name")
    date_hierarchy = "created_at"
    form = TranscriptionForm
    inlines = (AttemptInline,)
    actions = ("cancel",)
    fieldsets = (
        (None, {"fields": ("recording", "tenant", "status", "progress", "error_code", "error_message")}),
        (_("When and where"), {"fields": (*TIMES, "attempts_made", "worker", "request_id")}),
        (_("Options"), {"fields": (*OPTIONS, "lane")}),
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

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Cancelling takes here what it takes on the operations pages."""
        return request.user.has_perm("transcription.act_on_operations")

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Heads the page with the recording's name, where Django has the row's id."""
        if row := kwargs.get("obj"):
            context["subtitle"] = row.recording.name
        return super().render_change_form(request, context, *args, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, row: Any = None) -> list[str]:
        return [name for _title, options in self.fieldsets for name in options["fields"]]  # type: ignore[misc]

    @admin.action(description=_("Cancel the selected transcriptions"), permissions=["act"])
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
    list_filter = ("source", ("deleted_at", IsSet), ("tenant", OfTenant))
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
    """What an engine reported last. The operations page shows the same as it changes, and pauses engines."""

    list_display = ("name", "host", "runs_on", "state", "gpu_memory", "workers", "updated_at")
    list_filter = ("ready", "host", "rung")
    search_fields = ("name", "host")
    fieldsets = (
        (None, {"fields": ("name", "host", "runs_on", "state", "updated_at", "started_at", "paused_at")}),
        (_("Memory"), {"fields": ("gpu_memory", "memory")}),
        (_("Models"), {"fields": ("loaded", "versions")}),
        (_("Work"), {"fields": ("workers", "windows_running", "batch_capacity", "queued_windows")}),
        (_("Since its start"), {"fields": ("audio", "busy", "windows_done", "restarts")}),
        (_("Clock"), {"fields": ("clock",)}),
    )

    @admin.display(description=_("runs on"), ordering="rung")
    def runs_on(self, engine: Engine) -> str:
        return " · ".join(filter(None, (engine.device, engine.backend, engine.get_rung_display())))

    @admin.display(description=_("state"), ordering="ready")
    def state(self, engine: Engine) -> str:
        if not engine.is_alive:
            return gettext("silent")
        word = gettext("paused") if engine.paused_at else gettext("ready") if engine.ready else gettext("not ready")
        return f"{word}: {engine.problem}" if engine.problem else word

    @admin.display(description=_("GPU memory"), ordering="gpu_memory_used_mib")
    def gpu_memory(self, engine: Engine) -> str:
        if not engine.gpu_memory_total_mib:
            return gettext("no GPU")
        used, total = ((mib or 0) * units.MIB for mib in (engine.gpu_memory_used_mib, engine.gpu_memory_total_mib))
        return gettext("%(used)s of %(limit)s") % {"used": units.size(int(used)), "limit": units.size(int(total))}

    @admin.display(description=_("memory of its process"))
    def memory(self, engine: Engine) -> str:
        return units.size(int(engine.memory_used_mib * units.MIB))

    @admin.display(description=_("loaded models"))
    def loaded(self, engine: Engine) -> str:
        return ", ".join(engine.models_loaded) or "–"

    @admin.display(description=_("offered models, and their versions"))
    def versions(self, engine: Engine) -> SafeString | str:
        return format_html_join("", "<p>{}: {}</p>", engine.model_versions.items()) or "–"

    @admin.display(description=_("workers that run, of those wanted"), ordering="workers_alive")
    def workers(self, engine: Engine) -> str:
        return f"{engine.workers_alive} / {engine.workers_wanted}"

    @admin.display(description=_("audio transcribed"))
    def audio(self, engine: Engine) -> str:
        return units.precisely(engine.audio_seconds_done)

    @admin.display(description=_("time that it was busy"))
    def busy(self, engine: Engine) -> str:
        return units.precisely(engine.busy_seconds)

    @admin.display(description=_("machine’s clock, beside the database’s"))
    def clock(self, engine: Engine) -> str:
        return engine.clock_problem or gettext("agrees")

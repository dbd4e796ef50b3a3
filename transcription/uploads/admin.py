"""Resumable uploads in the admin."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from tenants import units
from tenants.admin import ReadOnly
from transcription.models.overdue import Overdue
from transcription.uploads.models import Upload


class UncheckedUploads(Overdue):
    open_rows = Q(state=Upload.State.ARRIVED)


@admin.register(Upload)
class UploadAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("name", "tenant", "state", "way", "size", "tries", "not_before", "code", "created_at")
    list_filter = ("state", UncheckedUploads, "way", "source", "tenant")
    list_select_related = ("tenant",)
    search_fields = ("id", "name", "tenant__name")
    date_hierarchy = "created_at"
    show_full_result_count = False
    fields = (
        *("id", "name", "tenant", "user", "api_key", "source", "way", "state", "size"),
        *("created_at", "expires_at", "tries", "interruptions", "not_before"),
        *("recording", "transcription_id", "code", "reason"),
    )

    @admin.display(description=_("size"), ordering="length")
    def size(self, row: Upload) -> str:
        return units.size(row.length)

    @admin.display(description=_("error"))
    def code(self, row: Upload) -> str:
        return str(row.problem.get("code", ""))

    @admin.display(description=_("reason"))
    def reason(self, row: Upload) -> str:
        return str(row.problem.get("detail", ""))

"""Resumable uploads in the admin."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from tenants import units
from tenants.admin import OfTenant, ReadOnly, column
from transcription.models.overdue import Overdue
from transcription.uploads.models import Upload


class UncheckedUploads(Overdue):
    open_rows = Q(state=Upload.State.ARRIVED)


@admin.register(Upload)
class UploadAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("name", "tenant", "state", "way", "size", "failed_tries", "next_try", "code", "created_at")
    list_filter = ("state", UncheckedUploads, "way", "source", ("tenant", OfTenant))
    list_select_related = ("tenant",)
    search_fields = ("id", "name", "tenant__name")
    date_hierarchy = "created_at"
    show_full_result_count = False
    next_try = column("not_before", _("next try not before"))
    failed_tries = column("tries", _("tries that failed by a fault of the portal’s"))
    fields = (
        *("id", "name", "tenant", "user", "api_key", "source", "way", "state", "size"),
        *("created_at", "expires_at", "failed_tries", "interruptions", "next_try"),
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

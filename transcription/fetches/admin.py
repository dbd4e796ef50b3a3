"""Recordings by URL in the admin. A URL's query is not shown: it may be a key to the file."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from tenants import units
from tenants.admin import OfTenant, ReadOnly, column
from transcription.fetches import failures
from transcription.fetches.models import UNDER_WAY, Fetch
from transcription.models.overdue import Overdue


class WaitingFetches(Overdue):
    open_rows = Q(status__in=UNDER_WAY)


@admin.register(Fetch)
class FetchAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("source", "tenant", "status", "attempts_made", "received", "next_try", "error_code", "created_at")
    list_filter = ("status", WaitingFetches, "error_code", ("tenant", OfTenant))
    list_select_related = ("tenant",)
    search_fields = ("id", "name", "tenant__name", "recording__id", "transcription_id")
    date_hierarchy = "created_at"
    show_full_result_count = False
    next_try = column("not_before", _("next try not before"))
    fields = (
        *("id", "source", "name", "tenant", "api_key", "status", "attempts_made", "received"),
        *("created_at", "next_try", "finished_at", "error_code", "reason", "recording", "transcription_id"),
    )

    @admin.display(description=_("URL"))
    def source(self, row: Fetch) -> str:
        return row.shown_url

    @admin.display(description=_("reason"))
    def reason(self, row: Fetch) -> str:
        return failures.reason_for_people(row) if row.error_code else ""

    @admin.display(description=_("received"), ordering="bytes_received")
    def received(self, row: Fetch) -> str:
        return units.size(row.bytes_received)

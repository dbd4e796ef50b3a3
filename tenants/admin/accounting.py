"""The operators' read-only pages of usage, reservations, the ledger, notices and account checks."""

from __future__ import annotations

from django.contrib import admin
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from tenants import discrepancies, units
from tenants.admin.base import IsSet, OfTenant, ReadOnly
from tenants.admin.transfers import Export, LedgerResource
from tenants.models import (
    AccountCheck,
    LedgerEntry,
    Notice,
    Reservation,
    UsageMonth,
)


@admin.register(UsageMonth)
class UsageMonthAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("tenant", "month", "used", "reserved")
    list_filter = ("month", ("tenant", OfTenant))
    list_select_related = ("tenant",)
    fields = ("tenant", "month", "used", "reserved")

    @admin.display(description=_("used"), ordering="used_seconds")
    def used(self, usage: UsageMonth) -> str:
        return units.minutes(usage.used_seconds)

    @admin.display(description=_("reserved"), ordering="reserved_seconds")
    def reserved(self, usage: UsageMonth) -> str:
        return units.minutes(usage.reserved_seconds)


@admin.register(Reservation)
class ReservationAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("tenant", "minutes", "state", "transcription_id", "user", "api_key", "created_at")
    list_filter = ("state", ("tenant", OfTenant))
    list_select_related = ("tenant", "user", "api_key")
    search_fields = ("transcription_id",)

    @admin.display(description=_("minutes"), ordering="seconds")
    def minutes(self, reservation: Reservation) -> str:
        return units.minutes(reservation.seconds)


@admin.register(LedgerEntry)
class LedgerEntryAdmin(Export, ReadOnly, admin.ModelAdmin):
    resource_classes = (LedgerResource,)
    list_display = ("created_at", "tenant", "kind", "minutes", "description", "user", "api_key", "transcription_id")
    list_filter = ("kind", ("tenant", OfTenant))
    list_select_related = ("tenant", "user", "api_key")
    search_fields = ("transcription_id", "description")
    date_hierarchy = "created_at"

    @admin.display(description=_("minutes"), ordering="seconds")
    def minutes(self, entry: LedgerEntry) -> str:
        return units.minutes(entry.seconds)


@admin.register(Notice)
class NoticeAdmin(ReadOnly, admin.ModelAdmin):
    """Lists the notices that owners got, and when."""

    list_display = ("created_at", "tenant", "limit", "reached", "month", "emailed_at", "dismissed_at")
    list_filter = ("limit", "month", ("emailed_at", IsSet), ("tenant", OfTenant))
    list_select_related = ("tenant",)
    fields = ("tenant", "limit", "reached", "month", "created_at", "emailed_at", "dismissed_at")

    @admin.display(description=_("reached"), ordering="percent")
    def reached(self, notice: Notice) -> str:
        return notice.reached


@admin.register(AccountCheck)
class AccountCheckAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("day", "started_at", "finished_at", "tenants_checked", "disagreeing")
    list_filter = (("finished_at", IsSet),)
    fields = ("day", "started_at", "finished_at", "tenants_checked", "found")

    @admin.display(description=_("discrepancies"))
    def found(self, check: AccountCheck) -> SafeString | str:
        lines = (
            (tenant, row.tenant_id, f"{row.month:%Y-%m}" if row.month else "", row.words)
            for tenant, row in discrepancies.of_check(check)
        )
        return format_html_join("", "<p>{} ({}) {}<br>{}</p>", lines) or gettext("None.")

    @admin.display(description=_("discrepancies"))
    def disagreeing(self, check: AccountCheck) -> int:
        return len(check.discrepancies)

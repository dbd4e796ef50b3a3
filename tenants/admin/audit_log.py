"""The operators' read-only page of the audit log."""

from __future__ import annotations

from django.contrib import admin

from tenants.admin.base import ReadOnly
from tenants.models import (
    AuditEntry,
)


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("created_at", "tenant", "actor_kind", "actor_name", "address", "action", "object_id")
    list_filter = ("action", "actor_kind", "tenant")
    list_select_related = ("tenant",)
    search_fields = ("actor_name", "object_id", "address")
    show_full_result_count = False

"""Rules in the admin: what a tenant decided, to be looked at."""

from __future__ import annotations

from django.contrib import admin

from tenants.admin import OfTenant, ReadOnly
from transcription.rules.models import Rule


@admin.register(Rule)
class RuleAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("name", "tenant", "position", "is_active", "created_at", "changed_at")
    list_filter = ("is_active", ("tenant", OfTenant))
    list_select_related = ("tenant",)
    search_fields = ("id", "name", "tenant__name")
    fields = ("id", "name", "tenant", "position", "is_active", "conditions", "effects", "created_at", "changed_at")

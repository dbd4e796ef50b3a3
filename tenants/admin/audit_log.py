"""The operators' read-only page of the audit log."""

from __future__ import annotations

import json

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from tenants.admin.base import OfTenant, ReadOnly
from tenants.audit import ACTIONS
from tenants.models import (
    AuditEntry,
)


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("created_at", "tenant", "what", "told", "actor_name", "actor_kind", "address")
    list_filter = ("created_at", "actor_kind", "action", ("tenant", OfTenant))
    list_select_related = ("tenant",)
    search_fields = ("actor_name", "object_id", "address")
    show_full_result_count = False
    fields = (
        *("created_at", "tenant", "actor_kind", "actor_name", "address", "what", "action"),
        *("told", "object_type", "object_id", "actor_id"),
    )

    @admin.display(description=_("what was done"), ordering="action")
    def what(self, entry: AuditEntry) -> str:
        return str(ACTIONS.get(entry.action, entry.action))

    @admin.display(description=_("details"))
    def told(self, entry: AuditEntry) -> str:
        """Returns the details as they are stored, "name: value" each, since operators look for these words."""
        values = (
            (name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
            for name, value in entry.details.items()
        )
        return "; ".join(f"{name}: {value}" for name, value in values)

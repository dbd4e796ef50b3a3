"""The operators' pages of API keys."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from tenants import api_keys
from tenants.admin.base import IsSet, OfTenant, ReadOnly, operator_of
from tenants.admin.transfers import ApiKeyResource, Export
from tenants.models import (
    ApiKey,
)


def maker_of(key: ApiKey) -> str:
    """Returns the name of a key's creator, and whether they have left or are inactive."""
    words = {"inactive": gettext("%(name)s (switched off)"), "gone": gettext("%(name)s (no longer a member)")}
    name = key.made_by or str(key.created_by or "")
    return words.get(key.maker or "", "%(name)s") % {"name": name}


class ApiKeyInline(ReadOnly, admin.TabularInline):
    model = ApiKey
    fields = readonly_fields = (
        *("name", "prefix", "scope", "maker", "created_at"),
        *("last_used_at", "expires_at", "revoked_at"),
    )
    extra = 0

    @admin.display(description=_("made by"))
    def maker(self, key: ApiKey) -> str:
        return maker_of(key)


@admin.register(ApiKey)
class ApiKeyAdmin(Export, ReadOnly, admin.ModelAdmin):
    """Lists and revokes keys. They are created on their tenant's page, and limited on that of transcription.folders."""

    resource_classes = (ApiKeyResource,)
    list_display: tuple[str, ...] = (
        *("name", "prefix", "tenant", "scope", "maker", "created_at"),
        *("last_used_at", "expires_at", "revoked_at"),
    )
    list_filter = ("scope", ("revoked_at", IsSet), ("tenant", OfTenant))
    list_select_related = ("tenant", "created_by")
    search_fields = ("name", "prefix", "tenant__name")
    exclude = ("digest", "old_digest")
    actions = ("revoke",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:
        return api_keys.with_makers(super().get_queryset(request))

    @admin.display(description=_("made by"))
    def maker(self, key: ApiKey) -> str:
        return maker_of(key)

    @admin.action(description=_("Revoke the selected keys"), permissions=["change"])
    def revoke(self, request: HttpRequest, keys: QuerySet[ApiKey]) -> None:
        live = keys.select_related("tenant")
        count = sum(api_keys.revoke(operator_of(request, key.tenant), key.id) for key in live)
        text = ngettext("%(n)d key was revoked.", "%(n)d keys were revoked.", count) % {"n": count}
        self.message_user(request, text, messages.SUCCESS if count else messages.WARNING)

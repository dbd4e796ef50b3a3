"""Share links in the admin: operators see what there is, and revoke."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from tenants import scope
from tenants.admin import IsSet, OfTenant, ReadOnly, column, operator_of
from transcription.shares import links
from transcription.shares.models import Share


@admin.register(Share)
class ShareAdmin(ReadOnly, admin.ModelAdmin):
    list_display = (
        *("label", "email", "tenant", "recording_id", "made_by", "created_at", "expires_at", "revoked_at"),
        *("openings", "limit", "last_opened_at", "with_sound", "with_download", "sound_error"),
    )
    list_filter = (("revoked_at", IsSet), "with_download", "with_sound", ("tenant", OfTenant))
    list_select_related = ("tenant",)
    search_fields = ("id", "email", "recording__id", "made_by", "tenant__name")
    date_hierarchy = "created_at"
    show_full_result_count = False
    actions = ("revoke",)
    limit = column("most_openings", _("openings at most"))
    may = column("level", _("who has the link may"))
    kept = column("kept_at", _("kept when its maker left"))
    fields = (
        *("id", "tenant", "recording_id", "label", "email", "may", "made_by", "api_key", "created_at", "expires_at"),
        *("revoked_at", "kept", "openings", "limit", "last_opened_at", "with_sound", "with_download"),
        *("start", "end", "sound_error"),
    )

    @admin.action(description=_("Revoke the links"), permissions=["revoke"])
    def revoke(self, request: HttpRequest, rows: QuerySet[Share]) -> None:
        ended = 0
        for row in rows.select_related("tenant"):
            with scope.bound(row.tenant_id):
                ended += links.revoke_all(operator_of(request, row.tenant), Share.objects.filter(id=row.id))
        self.message_user(
            request,
            ngettext("%(n)d link was revoked.", "%(n)d links were revoked.", ended) % {"n": ended},
            messages.SUCCESS,
        )

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("shares.change_share")

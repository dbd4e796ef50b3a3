"""Folders and buckets in the admin, without keys and secrets."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from tenants.admin import OfTenant, ReadOnly, column
from transcription.exchange.models import Arrival, Delivery, Place


@admin.register(Place)
class PlaceAdmin(ReadOnly, admin.ModelAdmin):
    problem = column("last_error", _("last error"))
    next_look = column("not_before", _("next look not before"))
    list_display = ("name", "tenant", "kind", "is_watched", "failures", "problem", "created_at")
    list_filter = ("kind", "is_watched", ("tenant", OfTenant))
    list_select_related = ("tenant",)
    search_fields = ("id", "name", "tenant__name")
    fields = (
        *("id", "name", "tenant", "kind", "path", "endpoint", "bucket", "region"),
        *("senders", "trust", "authserv_id", "folder", "is_watched", "is_paused"),
        *("created_at", "failures", "problem", "next_look"),
    )


@admin.register(Delivery)
class DeliveryAdmin(ReadOnly, admin.ModelAdmin):
    problem = column("last_error", _("last error"))
    list_display = ("id", "tenant", "place", "state", "attempts_made", "next_attempt_at", "problem", "created_at")
    list_filter = ("state", ("tenant", OfTenant))
    list_select_related = ("tenant", "place")
    search_fields = ("id", "recording__id", "tenant__name")
    show_full_result_count = False
    fields = (
        *("id", "tenant", "place", "recording", "formats", "state", "attempts_made"),
        *("created_at", "next_attempt_at", "finished_at", "problem"),
    )


@admin.register(Arrival)
class ArrivalAdmin(ReadOnly, admin.ModelAdmin):
    problem = column("last_error", _("last error"))
    list_display = ("path", "tenant", "place", "state", "attempts_made", "next_attempt_at", "problem", "created_at")
    list_filter = ("state", ("tenant", OfTenant))
    list_select_related = ("tenant", "place")
    search_fields = ("id", "path", "recording__id", "tenant__name")
    show_full_result_count = False
    fields = (
        *("id", "path", "tenant", "place", "size", "state", "attempts_made"),
        *("created_at", "next_attempt_at", "finished_at", "problem", "recording"),
    )

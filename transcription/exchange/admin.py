"""Folders and buckets in the admin, without keys and secrets."""

from __future__ import annotations

from django.contrib import admin

from tenants.admin import ReadOnly
from transcription.exchange.models import Arrival, Delivery, Place


@admin.register(Place)
class PlaceAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("name", "tenant", "kind", "is_watched", "failures", "last_error", "created_at")
    list_filter = ("kind", "is_watched", "tenant")
    list_select_related = ("tenant",)
    search_fields = ("id", "name", "tenant__name")
    fields = (
        *("id", "name", "tenant", "kind", "path", "endpoint", "bucket", "region"),
        *("senders", "trust", "authserv_id", "folder", "is_watched", "is_paused"),
        *("created_at", "failures", "last_error", "not_before"),
    )


@admin.register(Delivery)
class DeliveryAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("id", "tenant", "place", "state", "attempts_made", "next_attempt_at", "last_error", "created_at")
    list_filter = ("state", "tenant")
    list_select_related = ("tenant", "place")
    search_fields = ("id", "recording__id", "tenant__name")
    show_full_result_count = False
    fields = (
        *("id", "tenant", "place", "recording", "formats", "state", "attempts_made"),
        *("created_at", "next_attempt_at", "finished_at", "last_error"),
    )


@admin.register(Arrival)
class ArrivalAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("path", "tenant", "place", "state", "attempts_made", "next_attempt_at", "last_error", "created_at")
    list_filter = ("state", "tenant")
    list_select_related = ("tenant", "place")
    search_fields = ("id", "path", "recording__id", "tenant__name")
    show_full_result_count = False
    fields = (
        *("id", "path", "tenant", "place", "size", "state", "attempts_made"),
        *("created_at", "next_attempt_at", "finished_at", "last_error", "recording"),
    )

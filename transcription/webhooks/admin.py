"""Webhooks in the admin. A whole URL may be a secret, so only its host is shown."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from tenants.admin import IsSet, OfTenant, ReadOnly, column
from transcription.models.overdue import Overdue
from transcription.webhooks import failures
from transcription.webhooks.models import Attempt, Delivery, Endpoint

PENDING = Q(state=Delivery.State.PENDING)


class WaitingDeliveries(Overdue):
    open_rows = PENDING & Q(endpoint__paused_at=None, endpoint__deleted_at=None)
    due = "next_attempt_at"


class AttemptInline(ReadOnly, admin.TabularInline):
    model = Attempt
    fields = readonly_fields = ("started_at", "seconds", "status", "error")
    extra = 0


@admin.register(Endpoint)
class EndpointAdmin(ReadOnly, admin.ModelAdmin):
    list_display = (
        *("receiver", "tenant", "waiting", "failures", "failing_since", "next_try"),
        *("why_paused", "deleted_at", "created_at"),
    )
    list_filter = (
        "pause",
        ("failing_since", IsSet),
        ("deleted_at", IsSet),
        ("tenant", OfTenant),
    )
    list_select_related = ("tenant",)
    search_fields = ("id", "description", "tenant__name")
    fields = (
        *("id", "receiver", "tenant", "description", "events", "waiting", "created_at", "deleted_at"),
        *("paused_at", "why_paused", "failures", "failing_since", "next_try", "old_secret"),
    )
    next_try = column("not_before", _("next delivery not before"))
    why_paused = column("pause", _("why it is paused"))
    old_secret = column("old_until", _("the old secret signs, too, until"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Counts deliveries for the shown rows only."""
        pending = Delivery.objects.filter(PENDING, endpoint=OuterRef("pk")).order_by().values("endpoint")
        counted = Subquery(pending.annotate(count=Count("pk")).values("count"), output_field=IntegerField())
        rows: QuerySet[Any] = super().get_queryset(request).annotate(pending=Coalesce(counted, 0))
        return rows

    @admin.display(description=_("host"))
    def receiver(self, row: Endpoint) -> str:
        return row.host

    @admin.display(description=_("waiting deliveries"))
    def waiting(self, row: Endpoint) -> str:
        address = reverse("admin:webhooks_delivery_changelist")
        return format_html('<a href="{}?q={}&amp;state=pending">{}</a>', address, row.pk, getattr(row, "pending", 0))


@admin.register(Delivery)
class DeliveryAdmin(ReadOnly, admin.ModelAdmin):
    list_display = (
        *("kind", "tenant", "endpoint", "state", "attempts_made", "next_attempt_at"),
        *("last_status", "last_error", "created_at"),
    )
    list_filter = ("state", WaitingDeliveries, "event__type", "last_error", ("tenant", OfTenant))
    list_select_related = ("tenant", "endpoint", "event")
    search_fields = ("id", "event__id", "endpoint__id", "tenant__name")
    date_hierarchy = "created_at"
    show_full_result_count = False
    inlines = (AttemptInline,)
    fields = (
        *("id", "message", "kind", "tenant", "endpoint", "state", "attempts_made", "created_at"),
        *("next_attempt_at", "finished_at", "last_status", "reason"),
    )

    @admin.display(description=_("event"))
    def message(self, row: Delivery) -> str:
        return row.event.message_id

    @admin.display(description=_("type"), ordering="event__type")
    def kind(self, row: Delivery) -> str:
        return row.event.get_type_display()

    @admin.display(description=_("reason"))
    def reason(self, row: Delivery) -> str:
        return failures.reason_for_people(row.last_error, row.last_status) if row.last_error else ""

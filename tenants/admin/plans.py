"""The operators' page of plans: what is changed there is changed for all tenants of the plan, after a preview."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from tenants import plans, units
from tenants.admin.base import AsSeen, operator_of
from tenants.admin.limits import LimitsInUnits, label_of, shown
from tenants.admin.transfers import PlanResource, Transfers
from tenants.models import Plan, Quota
from tenants.models.quota import LIMITS

CONFIRMED = "_confirmed"


@admin.register(Plan)
class PlanAdmin(Transfers, LimitsInUnits, admin.ModelAdmin):
    form = AsSeen
    resource_classes = (PlanResource,)
    of_tenant = ""
    list_display = ("name", "tenants", "minutes", "stored", "concurrent", "includes_sharing", "includes_voices")
    fields = ("name", *LIMITS, "seen")
    list_filter = ("includes_sharing", "includes_voices")
    search_fields = ("name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Plan]:
        plans_with_counts: QuerySet[Plan] = super().get_queryset(request).annotate(tenant_count=Count("quotas"))
        return plans_with_counts

    @admin.display(description=_("tenants"), ordering="tenant_count")
    def tenants(self, plan: Plan) -> int:
        return int(getattr(plan, "tenant_count", 0))

    @admin.display(description=_("audio minutes a month"), ordering="monthly_seconds")
    def minutes(self, plan: Plan) -> str:
        return units.minutes(plan.monthly_seconds)

    @admin.display(description=_("stored media"), ordering="stored_bytes")
    def stored(self, plan: Plan) -> str:
        return units.size(plan.stored_bytes)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        """Asks before it changes the limits of tenants, and says of how many."""
        if request.method == "POST" and object_id and CONFIRMED not in request.POST:
            preview = self._preview(request, object_id)
            if preview is not None:
                return preview
        return super().changeform_view(request, object_id, form_url, extra_context)

    def _preview(self, request: HttpRequest, object_id: str) -> HttpResponse | None:
        """Returns None where nothing of any tenant changes, or the form is to be shown again."""
        before, plan = self.get_object(request, object_id), self.get_object(request, object_id)
        if before is None or plan is None or not self.has_change_permission(request, before):
            return None
        form: forms.ModelForm[Plan] = self.get_form(request, plan, change=True)(request.POST, instance=plan)
        if not form.is_valid():
            return None
        rows = list(Quota.objects.filter(plan=plan).select_related("tenant").order_by("tenant__name"))
        changing = [quota for quota in rows if plans.differences(plan, quota)]
        if not changing:
            return None
        changed = [name for name in LIMITS if getattr(before, name) != getattr(plan, name)]
        context = self.admin_site.each_context(request) | {
            "title": gettext("Change the plan %(plan)s?") % {"plan": before},
            "opts": Plan._meta,
            "original": before,
            "changes": [(label_of(name), shown(before, name), shown(plan, name)) for name in changed],
            "changing": changing,
            "keeping": [
                (quota.tenant, ", ".join(label_of(name) for name in own))
                for quota in rows
                if (own := [name for name in changed if name in quota.overrides])
            ],
            "fields": [(name, value) for name, values in request.POST.lists() for value in values],
            "confirmed": CONFIRMED,
        }
        return TemplateResponse(request, "admin/tenants/plan/confirm.html", context)

    def save_model(self, request: HttpRequest, plan: Plan, form: Any, change: bool) -> None:
        with transaction.atomic():
            super().save_model(request, plan, form, change)
            count = plans.hand_on(plan, lambda tenant: operator_of(request, tenant)) if change else 0
        if count:
            text = ngettext("The limits of %(n)d tenant changed.", "The limits of %(n)d tenants changed.", count)
            self.message_user(request, text % {"n": count}, messages.SUCCESS)

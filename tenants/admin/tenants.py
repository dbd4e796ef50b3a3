"""The operators' page of a tenant: its limits, members and keys."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.db import models, transaction
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from tenants import api_keys, audit, enrolled_voices, former_members, identity_providers, plans, suspensions, units
from tenants.access import Actor
from tenants.admin.api_keys import ApiKeyInline
from tenants.admin.base import AsSeen, IsSet, operator_of
from tenants.admin.invitations import Invites
from tenants.admin.limits import LimitsInUnits, label_of, shown
from tenants.admin.transfers import TenantResource, Transfers
from tenants.former_members import KeyDecisionField
from tenants.members import tell_of_role
from tenants.models import (
    AllowedDomain,
    IdentityProvider,
    Member,
    Plan,
    Quota,
    Tenant,
    UsageMonth,
    User,
)
from tenants.models.quota import LIMITS
from tenants.people_addresses import NetworksField
from tenants.quota import this_month


class QuotaForm(AsSeen):
    """Keeps apart what a tenant has of its own and what it has of its plan."""

    def save(self, commit: bool = True) -> Any:
        plans.fit(self.instance, set(self.changed_data))
        return super().save(commit)


class QuotaInline(LimitsInUnits, admin.StackedInline):
    model = Quota
    form = QuotaForm
    can_delete = False
    min_num = max_num = 1
    verbose_name = _("plan and limits")
    fields = ("plan", "own", "stored", *LIMITS, "seen")
    readonly_fields = ("own", "stored")

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> forms.Field | None:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field and db_field.name == "plan":
            field.help_text = gettext(
                "A limit that you change below is the tenant’s own from then on, whatever the plan says. Type the "
                "plan’s figure to go back to it. Without a plan all limits are the tenant’s own."
            )
        return field

    @admin.display(description=_("limits that differ from the plan"))
    def own(self, quota: Quota) -> str:
        return ", ".join(f"{label_of(name)} ({shown(quota, name)})" for name in quota.overrides) or "—"

    @admin.display(description=_("stored media in use"))
    def stored(self, quota: Quota) -> str:
        return units.size(quota.stored_bytes_used)


class PlanChoice(forms.Form):
    plan = forms.ModelChoiceField(label=_("Plan"), queryset=Plan.objects.all())


class MemberInline(admin.TabularInline):
    model = Member
    verbose_name_plural = _("members (people without an account are invited above)")
    autocomplete_fields = ("user",)
    extra = 0

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """Disables the user of saved members: another user must be another member in the audit log."""
        formset = super().get_formset(request, obj, **kwargs)

        class MemberForm(formset.form):  # type: ignore[misc,name-defined]
            def __init__(self, *args: Any, **more: Any) -> None:
                super().__init__(*args, **more)
                self.fields["user"].disabled = bool(self.instance.pk)

        formset.form = MemberForm
        return formset


class AllowedDomainInline(admin.TabularInline):
    model = AllowedDomain
    extra = 0


class IdentityProviderInline(admin.StackedInline):
    """The OpenID or SAML provider that the tenant's owners entered: operators see it, switch it off and delete it."""

    model = IdentityProvider
    extra = 0
    readonly_fields = (
        *("protocol", "issuer", "client_id", "metadata_url", "metadata", "email_claim"),
        *("role_claim", "roles", "required_claim"),
    )

    def has_add_permission(self, _request: HttpRequest, _row: Any = None) -> bool:
        return False


class TenantForm(AsSeen):
    keys_of_leavers = KeyDecisionField()
    people_addresses = NetworksField(
        label=_("Where people may use the portal from"),
        help_text=_("Internet addresses and networks such as 203.0.113.0/24, one a line. Empty: from anywhere."),
    )

    class Meta:
        labels = {
            "suspended_from": _("Suspend it at (UTC)"),
            "changes_until_suspended": _("May add and change until it is suspended"),
            "default_mode": _("How recordings are transcribed"),
            "default_model": _("Usual model"),
            "allows_sharing": _("Share links are allowed"),
            "allows_guests": _("Share links may be mailed to guests"),
            "second_factor_from": _("Two-factor authentication required from (UTC)"),
        }
        help_texts = {
            "is_active": _(
                "Untick it to suspend the tenant at once: nobody gets in, its keys and share links are refused, and "
                "what waits goes on waiting. Tick it to resume: nothing was lost."
            ),
            "suspended_from": _("Suspends it at that time. Its owners are mailed when you save; members see a banner."),
            "changes_until_suspended": _("Counts only with a time above. Unticked, it can only read and delete."),
            "audio_retention_days": _("Sound and video are erased so many days after the upload. Empty: never."),
            "text_retention_days": _("Transcripts are erased so many days after they were made. Empty: never."),
        }

    def clean_suspended_from(self) -> datetime | None:
        moment: datetime | None = self.cleaned_data["suspended_from"]
        is_new = "suspended_from" in self.changed_data
        if is_new and moment is not None and moment <= timezone.now():
            raise forms.ValidationError(gettext("This time is over. To suspend it at once, untick “Active”."))
        return moment


@admin.register(Tenant)
class TenantAdmin(Transfers, Invites):
    form = TenantForm
    resource_classes = (TenantResource,)
    of_tenant = "pk"
    list_display = ("name", "is_active", "plan", "people", "used_this_month", "stored", "created_at")
    fieldsets = (
        (None, {"fields": ("name", "is_active", "created_at")}),
        (_("Suspension with notice"), {"fields": ("suspended_from", "changes_until_suspended")}),
        (
            _("How long things are kept"),
            {"fields": ("audio_retention_days", "text_retention_days", "bin_days"), "classes": ("collapse",)},
        ),
        (
            _("How its recordings are transcribed"),
            {
                "fields": (
                    *("default_mode", "default_model", "short_clip_model", "languages"),
                    *("speakers", "hotwords", "hears_terms"),
                ),
                "classes": ("collapse",),
            },
        ),
        (_("Sharing"), {"fields": ("allows_sharing", "allows_guests"), "classes": ("collapse",)}),
        (
            _("Who gets in"),
            {"fields": ("people_addresses", "second_factor_from", "support"), "classes": ("collapse",)},
        ),
        (_("When you remove members below"), {"fields": ("keys_of_leavers", "seen")}),
    )
    list_filter = ("is_active", ("suspended_from", IsSet), "quota__plan")
    actions = ("assign_plan", "archive_or_delete")
    search_fields = ("name", "members__user__email")
    inlines = (QuotaInline, MemberInline, AllowedDomainInline, IdentityProviderInline, ApiKeyInline)
    change_form_template = "admin/tenants/tenant/change_form.html"

    def get_inlines(self, _request: HttpRequest, row: Tenant | None) -> Any:
        """Leaves out the identity provider where there is none: operators add none."""
        has_one = row is not None and IdentityProvider.objects.filter(tenant=row).exists()
        return [inline for inline in self.inlines if has_one or inline is not IdentityProviderInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request).select_related("quota__plan").annotate(people_count=Count("members"))
        usage = UsageMonth.objects.filter(tenant=models.OuterRef("pk"), month=this_month())
        tenants: QuerySet[Any] = rows.annotate(used_seconds=models.Subquery(usage.values("used_seconds")[:1]))
        return tenants

    def has_delete_permission(self, _request: HttpRequest, _row: Any = None) -> bool:
        """Forbids deletion: Django would delete rows but no media. transcription.offboarding deletes tenants."""
        return False

    def get_readonly_fields(self, request: HttpRequest, row: Tenant | None = None) -> tuple[str, ...]:
        """Makes a tenant that is being erased impossible to reactivate; whether support may enter, itself decides."""
        erased = ("is_active", "deleting_at") if row is not None and row.deleting_at else ()
        return ("created_at", "support", *erased)

    def get_fieldsets(self, request: HttpRequest, row: Tenant | None = None) -> Any:
        first, *others = super().get_fieldsets(request, row)
        shown = ("name", "is_active", "deleting_at", "created_at") if row is not None and row.deleting_at else None
        return [(None, {"fields": shown}) if shown else first, *others]

    def response_add(self, request: HttpRequest, tenant: Tenant, post_url_continue: str | None = None) -> HttpResponse:
        """Leads to the tenant's page, where its owner is invited."""
        if not {"_addanother", "_continue", "_popup"} & set(request.POST):
            sent = request.POST.copy()
            sent["_continue"] = "1"
            request.POST = sent  # type: ignore[assignment]
        return super().response_add(request, tenant, post_url_continue)

    def save_model(self, request: HttpRequest, tenant: Tenant, form: Any, change: bool) -> None:
        super().save_model(request, tenant, form, change)
        if "name" in form.changed_data and Tenant.objects.filter(name__iexact=tenant.name).exclude(pk=tenant.pk):
            text = gettext("There is another tenant called %(name)s: lists and mails show both by the same name.")
            self.message_user(request, text % {"name": tenant.name}, messages.WARNING)

    def get_urls(self) -> list[URLPattern]:
        issue = path("<uuid:tenant_id>/key/", self.admin_site.admin_view(self.issue_key), name="tenants_tenant_key")
        return [issue, *super().get_urls()]

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Creates the quota that Django skips when an operator leaves its form unchanged."""
        operator = operator_of(request, form.instance)
        for member in _leaving_members(formsets):
            enrolled_voices.revoke(operator, member)
        super().save_related(request, form, formsets, change)
        if not Quota.objects.filter(tenant=form.instance).exists():
            Quota.with_defaults(form.instance).save()
        self._audit(operator, form, formsets, change)

    def _audit(self, operator: Actor, form: Any, formsets: Any, change: bool) -> None:
        tenant = operator.tenant
        if not change:
            audit.record(operator, "tenant.created", tenant, name=tenant.name)
        elif changed := set(form.changed_data) - {"keys_of_leavers"}:
            audit.record(operator, "tenant.changed", tenant, fields=sorted(changed))
            if changed & {"suspended_from", "changes_until_suspended"}:
                suspensions.tell_owners(operator)
        for formset in formsets:
            if formset.model is Member:
                _audit_members(operator, formset)
                for user in _former_members(formset):
                    former_members.settle([operator], user, form.cleaned_data["keys_of_leavers"])
            elif formset.model is AllowedDomain and formset.has_changed():
                domains = list(AllowedDomain.objects.filter(tenant=tenant).values_list("domain", flat=True))
                audit.record(operator, "tenant.changed", tenant, fields=["allowed_domains"], domains=domains)
            elif formset.model is IdentityProvider and formset.has_changed():
                fields = sorted({field for _row, changed in formset.changed_objects for field in changed})
                action = "provider.removed" if formset.deleted_objects else "provider.changed"
                audit.record(operator, action, tenant, fields=fields)
                for row, changed in formset.changed_objects:
                    identity_providers.end_what_was_opened(row, changed)
                for row in (*(row for row, _changed in formset.changed_objects), *formset.deleted_objects):
                    identity_providers.tell_owners(operator, row)
            elif formset.model is Quota:
                _audit_limits(operator, formset)

    def issue_key(self, request: HttpRequest, tenant_id: str) -> HttpResponse:
        """Creates a key and shows its secret once, on the next page."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        tenant = get_object_or_404(Tenant, pk=tenant_id)
        assert isinstance(request.user, User)
        if not request.user.has_perm("tenants.add_apikey"):
            raise PermissionDenied(gettext("You may not make API keys."))
        with transaction.atomic():
            name = request.POST.get("name", "").strip() or gettext("API key")
            key, secret = api_keys.issue(tenant, name, request.user)
            operator = operator_of(request, tenant)
            audit.record(operator, "key.created", key, name=key.name, scope=key.scope)
            api_keys.tell_of_key(operator, key)
        self.log_addition(request, key, [{"added": {"name": "API key", "object": str(key)}}])
        text = gettext("This key is shown once, copy it now: %(secret)s") % {"secret": secret}
        self.message_user(request, text, messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:tenants_tenant_change", args=[tenant.pk]))

    def has_quotas_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("tenants.change_quota")

    @admin.action(description=_("Put the selected tenants on a plan…"), permissions=["quotas"])
    def assign_plan(self, request: HttpRequest, tenants: QuerySet[Tenant]) -> HttpResponse | None:
        """Asks which plan, shows what it changes, then changes it, unless it is not as shown any more."""
        form = PlanChoice(request.POST if "apply" in request.POST else None)
        plan = form.cleaned_data["plan"] if form.is_valid() else None
        preview = [] if plan is None else [_preview(tenant, plan) for tenant in tenants.order_by("name", "pk")]
        shown = signing.Signer(salt="tenants.admin.preview").signature(repr((plan, preview)))
        if plan is not None and request.POST.get("previewed") == shown:
            count = plans.assign(plan, tenants, lambda tenant: operator_of(request, tenant))
            text = ngettext("%(n)d tenant was put on %(plan)s.", "%(n)d tenants were put on %(plan)s.", count)
            self.message_user(request, text % {"n": count, "plan": plan}, messages.SUCCESS)
            return None
        context = self.admin_site.each_context(request) | {
            "title": gettext("Put tenants on a plan"),
            "opts": Tenant._meta,
            "tenants": tenants,
            "form": form,
            "preview": preview,
            "shown": shown,
        }
        return TemplateResponse(request, "admin/tenants/plan/assign.html", context)

    @admin.action(description=_("Archive or delete the selected tenant…"), permissions=["delete_all"])
    def archive_or_delete(self, request: HttpRequest, tenants: QuerySet[Tenant]) -> HttpResponse | None:
        """Leads to the page that archives and erases one, which asks for its name."""
        if len(chosen := list(tenants[:2])) == 1:
            return HttpResponseRedirect(reverse("admin:offboarding_delete_tenant", args=[chosen[0].pk]))
        self.message_user(request, gettext("Choose one tenant: each is confirmed by its name."), messages.WARNING)
        return None

    def has_delete_all_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("tenants.delete_tenant")

    @admin.display(description=_("acting for its members (support)"))
    def support(self, tenant: Tenant) -> str:
        if tenant.bars_support:
            return gettext("Not wanted: an owner has switched it off, and only an owner switches it on again.")
        return gettext("Allowed, from the list of members, with a reason and for a while. Owners may switch it off.")

    @admin.display(description=_("plan"), ordering="quota__plan__name")
    def plan(self, tenant: Tenant) -> str:
        return str(tenant.quota.plan or "")

    @admin.display(description=_("people"), ordering="people_count")
    def people(self, tenant: Tenant) -> int:
        return int(getattr(tenant, "people_count", 0))

    @admin.display(description=_("used this month"), ordering="used_seconds")
    def used_this_month(self, tenant: Tenant) -> str:
        used, limit = getattr(tenant, "used_seconds", None) or 0, tenant.quota.monthly_seconds
        return gettext("%(used)s of %(limit)s") % {"used": units.minutes(used), "limit": units.minutes(limit)}

    @admin.display(description=_("stored"), ordering="quota__stored_bytes_used")
    def stored(self, tenant: Tenant) -> str:
        used, limit = tenant.quota.stored_bytes_used, tenant.quota.stored_bytes
        return gettext("%(used)s of %(limit)s") % {"used": units.size(used), "limit": units.size(limit)}


def _audit_limits(operator: Actor, formset: Any) -> None:
    """Tells what has changed: of a plan that was assigned, too."""
    for form in formset.initial_forms:
        quota = form.instance
        limits = {name: value for name in LIMITS if (value := getattr(quota, name)) != form.initial[name]}
        if form.initial["plan"] != quota.plan_id:
            limits["plan"] = quota.plan.name if quota.plan else ""
        if limits:
            audit.record(operator, "quota.changed", operator.tenant, **limits)


def _audit_members(operator: Actor, formset: Any) -> None:
    for member in formset.new_objects:
        audit.record(operator, "member.added", member, email=member.user.email, role=member.role)
    for member, fields in formset.changed_objects:
        fields = sorted(fields)
        audit.record(operator, "member.changed", member, fields=fields, email=member.user.email, role=member.role)
        if "role" in fields:
            tell_of_role(operator, member)
    for member in formset.deleted_objects:
        audit.record(operator, "member.removed", operator.tenant, email=member.user.email, role=member.role)


def _preview(tenant: Tenant, plan: Plan) -> tuple[Tenant, str, str]:
    """Returns what a plan would change of a tenant's limits, and what stays its own, in words."""
    changes = plans.differences(plan, tenant.quota)
    told = (f"{label_of(name)}: {shown(tenant.quota, name)} → {shown(plan, name)}" for name in changes)
    return tenant, "; ".join(told), ", ".join(label_of(name) for name in tenant.quota.overrides)


def _leaving_members(formsets: Any) -> list[Member]:
    """Returns the members whom saving the page removes."""
    removing = [form for formset in formsets if formset.model is Member for form in formset.deleted_forms]
    return [form.instance for form in removing if form.instance.pk]


def _former_members(formset: Any) -> list[User]:
    """Returns the users whose membership was removed when the page was saved."""
    before = {form.initial.get("user") for form in formset.initial_forms}
    now = Member.objects.filter(tenant=formset.instance).values_list("user_id", flat=True)
    return list(User.objects.filter(pk__in=before - set(now)))

"""What operators see of tenants, their people, keys and accounts."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.db import models, transaction
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from tenants import addresses, api_keys, audit, discrepancies, former_members, people, units
from tenants.access import Actor, operator_actor
from tenants.former_members import KeyDecision, KeyDecisionField
from tenants.models import (
    AccountCheck,
    ApiKey,
    AuditEntry,
    LedgerEntry,
    Member,
    Notice,
    Quota,
    Reservation,
    Tenant,
    UsageMonth,
    User,
)
from tenants.quota import this_month


class ReadOnly:
    """For rows that only the code may change."""

    def has_add_permission(self, _request: HttpRequest, _row: Any = None) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, _row: Any = None) -> bool:
        return False

    def has_delete_permission(self, _request: HttpRequest, _row: Any = None) -> bool:
        return False


def operator_of(request: HttpRequest, tenant: Tenant) -> Actor:
    """Whoever is signed in to the admin, as the audit log of a tenant names them."""
    assert isinstance(request.user, User)
    return operator_actor(request.user, tenant, addresses.of_request(request))


def operators(request: HttpRequest) -> people.ActorFor:
    """The same, in each of a person's tenants."""
    return lambda member: operator_of(request, member.tenant)


class QuotaInline(admin.StackedInline):
    model = Quota
    can_delete = False
    min_num = max_num = 1
    readonly_fields = ("stored",)
    in_units = {
        "monthly_seconds": (units.MINUTE, _("audio minutes a month")),
        "recording_seconds": (units.MINUTE, _("longest recording in minutes")),
        "upload_bytes": (units.MIB, _("largest upload in MiB")),
        "stored_bytes": (units.GIB, _("stored media in GiB")),
    }
    helps = {
        "requests_per_minute": _("With API keys, and so many at once; people in the portal are not counted."),
    }

    def formfield_for_dbfield(
        self, db_field: models.Field[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> forms.Field | None:
        if db_field.name in self.in_units:
            unit, label = self.in_units[db_field.name]
            return units.InUnits(unit, label=capfirst(label), initial=settings.QUOTA_DEFAULTS[db_field.name])
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field and db_field.name in settings.QUOTA_DEFAULTS:
            field.initial = settings.QUOTA_DEFAULTS[db_field.name]
        if field and db_field.name in self.helps:
            field.help_text = self.helps[db_field.name]
        return field

    @admin.display(description=_("stored media in use"))
    def stored(self, quota: Quota) -> str:
        return units.size(quota.stored_bytes_used)


class MemberInline(admin.TabularInline):
    model = Member
    autocomplete_fields = ("user",)
    extra = 0

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """Of a member the role changes: another person is another member, as the audit log has it."""
        formset = super().get_formset(request, obj, **kwargs)

        class OfOnePerson(formset.form):  # type: ignore[misc,name-defined]
            def __init__(self, *args: Any, **more: Any) -> None:
                super().__init__(*args, **more)
                self.fields["user"].disabled = bool(self.instance.pk)

        formset.form = OfOnePerson
        return formset


def maker_of(key: ApiKey) -> str:
    """Who made a key, and whether they are still there."""
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


class TenantForm(forms.ModelForm):
    keys_of_leavers = KeyDecisionField()


@admin.register(Tenant)
class TenantAdmin(admin.ModelAdmin):
    form = TenantForm
    list_display = ("name", "is_active", "people", "used_this_month", "stored", "created_at")
    list_filter = ("is_active",)
    search_fields = ("name", "members__user__email")
    inlines = (QuotaInline, MemberInline, ApiKeyInline)
    change_form_template = "admin/tenants/tenant/change_form.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request).select_related("quota").annotate(people_count=Count("members"))
        usage = UsageMonth.objects.filter(tenant=models.OuterRef("pk"), month=this_month())
        tenants: QuerySet[Any] = rows.annotate(used_seconds=models.Subquery(usage.values("used_seconds")[:1]))
        return tenants

    def has_delete_permission(self, _request: HttpRequest, _row: Any = None) -> bool:
        """Rows alone would leave media behind, and no receipt: transcription.offboarding deletes tenants."""
        return False

    def get_readonly_fields(self, request: HttpRequest, row: Tenant | None = None) -> tuple[str, ...]:
        """One that is being erased is not switched on again."""
        return ("is_active", "deleting_at") if row is not None and row.deleting_at else ()

    def get_urls(self) -> list[URLPattern]:
        issue = path("<uuid:tenant_id>/key/", self.admin_site.admin_view(self.issue_key), name="tenants_tenant_key")
        return [issue, *super().get_urls()]

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """A tenant always has a quota, also where an operator left the defaults as they were."""
        super().save_related(request, form, formsets, change)
        if not Quota.objects.filter(tenant=form.instance).exists():
            Quota.with_defaults(form.instance).save()
        self._tell_audit(operator_of(request, form.instance), form, formsets, change)

    def _tell_audit(self, operator: Actor, form: Any, formsets: Any, change: bool) -> None:
        """In the transaction in which the admin saves the page."""
        tenant = operator.tenant
        if not change:
            audit.record(operator, "tenant.created", tenant, name=tenant.name)
        elif changed := set(form.changed_data) - {"keys_of_leavers"}:
            audit.record(operator, "tenant.changed", tenant, fields=sorted(changed))
        for formset in formsets:
            if formset.model is Member:
                _tell_of_members(operator, formset)
                for user in _leavers(formset):
                    former_members.settle([operator], user, form.cleaned_data["keys_of_leavers"])
            elif formset.model is Quota:
                for quota, fields in formset.changed_objects:
                    limits = {field: getattr(quota, field) for field in fields}
                    audit.record(operator, "quota.changed", tenant, **limits)

    def issue_key(self, request: HttpRequest, tenant_id: str) -> HttpResponse:
        """Makes a key and shows it once, on the page that follows."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        tenant = get_object_or_404(Tenant, pk=tenant_id)
        assert isinstance(request.user, User)
        with transaction.atomic():
            name = request.POST.get("name", "").strip() or gettext("API key")
            key, secret = api_keys.issue(tenant, name, request.user)
            audit.record(operator_of(request, tenant), "key.created", key, name=key.name, scope=key.scope)
        self.log_addition(request, key, [{"added": {"name": "API key", "object": str(key)}}])
        text = gettext("This key is shown once, copy it now: %(secret)s") % {"secret": secret}
        self.message_user(request, text, messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:tenants_tenant_change", args=[tenant.pk]))

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


def _tell_of_members(operator: Actor, formset: Any) -> None:
    for member in formset.new_objects:
        audit.record(operator, "member.added", member, email=member.user.email, role=member.role)
    for member, fields in formset.changed_objects:
        fields = sorted(fields)
        audit.record(operator, "member.changed", member, fields=fields, email=member.user.email, role=member.role)
    for member in formset.deleted_objects:
        audit.record(operator, "member.removed", operator.tenant, email=member.user.email, role=member.role)


def _leavers(formset: Any) -> list[User]:
    """Who was a member before the page was saved, and is none now."""
    before = {one.initial.get("user") for one in formset.initial_forms}
    now = Member.objects.filter(tenant=formset.instance).values_list("user_id", flat=True)
    return list(User.objects.filter(pk__in=before - set(now)))


class PersonForm(UserChangeForm):
    keys_of_leavers = KeyDecisionField()


class PersonCreationForm(AdminUserCreationForm):
    class Meta:
        model = User
        fields = ("email",)


@admin.register(User)
class PersonAdmin(UserAdmin):
    """People sign in with an e-mail address."""

    form = PersonForm
    add_form = PersonCreationForm
    ordering = ("email",)
    list_display = ("email", "first_name", "last_name", "is_staff", "is_active", "last_login")
    search_fields = ("email", "first_name", "last_name")
    fieldsets = (
        (None, {"fields": ("email", "password")}),
        (_("Name"), {"fields": ("first_name", "last_name")}),
        (
            _("Rights"),
            {"fields": ("is_active", "keys_of_leavers", "is_staff", "is_superuser", "groups", "user_permissions")},
        ),
        (_("Dates"), {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = ((None, {"classes": ("wide",), "fields": ("email", "usable_password", "password1", "password2")}),)

    def save_model(self, request: HttpRequest, person: User, form: Any, change: bool) -> None:
        if not change:
            super().save_model(request, person, form, change)
            return
        with people.recording_changes(person.pk, operators(request)):
            super().save_model(request, person, form, change)
        if not person.is_active and "is_active" in form.changed_data:
            self._settle_keys(request, person, form.cleaned_data["keys_of_leavers"])

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        user = self.get_object(request, unquote(id))
        if user is None or request.method != "POST":
            return super().user_change_password(request, id, form_url)
        with people.recording_changes(user.pk, operators(request), how="operator"):
            return super().user_change_password(request, id, form_url)

    def delete_model(self, request: HttpRequest, person: User) -> None:
        """Here nobody is asked what becomes of the person's keys."""
        with transaction.atomic():
            self._settle_keys(request, person, KeyDecision.REVOKE)
            people.record_removal(person, operators(request))
            super().delete_model(request, person)

    def delete_queryset(self, request: HttpRequest, persons: QuerySet[User]) -> None:
        with transaction.atomic():
            for person in persons:
                self.delete_model(request, person)

    def _settle_keys(self, request: HttpRequest, person: User, decision: str) -> None:
        actors = [operator_of(request, tenant) for tenant in former_members.tenants_with_keys_of(person)]
        if count := former_members.settle(actors, person, decision):
            kept = ngettext("%(n)d API key of theirs goes on.", "%(n)d API keys of theirs go on.", count)
            revoked = ngettext("%(n)d API key of theirs was revoked.", "%(n)d API keys of theirs were revoked.", count)
            self.message_user(
                request, (kept if decision == KeyDecision.KEEP else revoked) % {"n": count}, messages.WARNING
            )


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnly, admin.ModelAdmin):
    """Keys are issued on their tenant's page."""

    list_display = (
        *("name", "prefix", "tenant", "scope", "maker", "created_at"),
        *("last_used_at", "expires_at", "revoked_at"),
    )
    list_filter = ("scope", ("revoked_at", admin.EmptyFieldListFilter), "tenant")
    list_select_related = ("tenant", "created_by")
    search_fields = ("name", "prefix", "tenant__name")
    exclude = ("digest", "old_digest")
    actions = ("revoke",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:
        return api_keys.with_makers(super().get_queryset(request))

    @admin.display(description=_("made by"))
    def maker(self, key: ApiKey) -> str:
        return maker_of(key)

    @admin.action(description=_("Revoke the selected keys"))
    def revoke(self, request: HttpRequest, keys: QuerySet[ApiKey]) -> None:
        live = keys.select_related("tenant")
        count = sum(api_keys.revoke(operator_of(request, key.tenant), key.id) for key in live)
        text = ngettext("%(n)d key was revoked.", "%(n)d keys were revoked.", count) % {"n": count}
        self.message_user(request, text, messages.SUCCESS if count else messages.WARNING)


@admin.register(UsageMonth)
class UsageMonthAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("tenant", "month", "used", "reserved")
    list_filter = ("month", "tenant")
    list_select_related = ("tenant",)
    fields = ("tenant", "month", "used", "reserved")

    @admin.display(description=_("used"), ordering="used_seconds")
    def used(self, usage: UsageMonth) -> str:
        return units.minutes(usage.used_seconds)

    @admin.display(description=_("reserved"), ordering="reserved_seconds")
    def reserved(self, usage: UsageMonth) -> str:
        return units.minutes(usage.reserved_seconds)


@admin.register(Reservation)
class ReservationAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("tenant", "minutes", "state", "transcription_id", "user", "api_key", "created_at")
    list_filter = ("state", "tenant")
    list_select_related = ("tenant", "user", "api_key")
    search_fields = ("transcription_id",)

    @admin.display(description=_("minutes"), ordering="seconds")
    def minutes(self, reservation: Reservation) -> str:
        return units.minutes(reservation.seconds)


@admin.register(LedgerEntry)
class LedgerEntryAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("created_at", "tenant", "kind", "minutes", "description", "user", "api_key", "transcription_id")
    list_filter = ("kind", "tenant")
    list_select_related = ("tenant", "user", "api_key")
    search_fields = ("transcription_id", "description")
    date_hierarchy = "created_at"

    @admin.display(description=_("minutes"), ordering="seconds")
    def minutes(self, entry: LedgerEntry) -> str:
        return units.minutes(entry.seconds)


@admin.register(Notice)
class NoticeAdmin(ReadOnly, admin.ModelAdmin):
    """What owners were told, and when."""

    list_display = ("created_at", "tenant", "limit", "reached", "month", "emailed_at", "dismissed_at")
    list_filter = ("limit", "month", ("emailed_at", admin.EmptyFieldListFilter), "tenant")
    list_select_related = ("tenant",)
    fields = ("tenant", "limit", "reached", "month", "created_at", "emailed_at", "dismissed_at")

    @admin.display(description=_("reached"), ordering="percent")
    def reached(self, notice: Notice) -> str:
        return notice.reached


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("created_at", "tenant", "actor_kind", "actor_name", "address", "action", "object_id")
    list_filter = ("action", "actor_kind", "tenant")
    list_select_related = ("tenant",)
    search_fields = ("actor_name", "object_id", "address")
    show_full_result_count = False


@admin.register(AccountCheck)
class AccountCheckAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("day", "started_at", "finished_at", "tenants_checked", "disagreeing")
    list_filter = (("finished_at", admin.EmptyFieldListFilter),)
    fields = ("day", "started_at", "finished_at", "tenants_checked", "found")

    @admin.display(description=_("discrepancies"))
    def found(self, check: AccountCheck) -> SafeString | str:
        lines = (
            (tenant, one.tenant_id, f"{one.month:%Y-%m}" if one.month else "", one.words)
            for tenant, one in discrepancies.of_check(check)
        )
        return format_html_join("", "<p>{} ({}) {}<br>{}</p>", lines) or gettext("None.")

    @admin.display(description=_("discrepancies"))
    def disagreeing(self, check: AccountCheck) -> int:
        return len(check.discrepancies)

"""The operators' page of a user."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from tenants import factor_changes, former_members, people, second_factors
from tenants.admin.base import OfTenant, operator_in_each_tenant, operator_of
from tenants.former_members import KeyDecision, KeyDecisionField
from tenants.models import Member, User


class UserForm(UserChangeForm):
    keys_of_leavers = KeyDecisionField()

    class Meta(UserChangeForm.Meta):
        labels = {
            "is_staff": _("Operator"),
            "is_superuser": _("Operator with every right"),
            "groups": _("Groups of rights"),
            "user_permissions": _("Single rights"),
        }
        help_texts = {
            "is_active": _(
                "Untick it to shut this person out of all tenants and of these pages, at once. Tick it to let them in "
                "again. To take them out of one tenant, remove them on its page."
            ),
            "is_staff": _("May open these pages, and do there what the groups and rights below say."),
            "is_superuser": _("May do everything on these pages; groups and rights below don’t matter then."),
            "groups": _("An operator has the rights of each of these groups."),
            "user_permissions": _("Rights that this operator has besides those of the groups."),
        }


class UserCreationForm(AdminUserCreationForm):
    class Meta:
        model = User
        fields = ("email",)


class Operators(admin.BooleanFieldListFilter):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = _("operator")


class HasSecondFactor(admin.SimpleListFilter):
    title = _("second factor")
    parameter_name = "second_factor"

    def lookups(self, _request: HttpRequest, _admin: Any) -> list[tuple[str, Any]]:
        return [("1", _("Yes")), ("0", _("No"))]

    def queryset(self, _request: HttpRequest, users: QuerySet[User]) -> QuerySet[User]:
        return users if self.value() not in ("0", "1") else users.filter(**{"has_factor": self.value() == "1"})


@admin.register(User)
class UserAdmin(DjangoUserAdmin):
    """Django's page of a user, without user names: people sign in with an e-mail address."""

    form = UserForm
    add_form = UserCreationForm
    ordering = ("email",)
    list_display = ("email", "first_name", "last_name", "is_active", "operator", "second_factor", "last_login")
    list_filter = ("is_active", ("is_staff", Operators), HasSecondFactor, "groups", ("memberships__tenant", OfTenant))
    readonly_fields = ("tenants", "last_login", "date_joined")
    actions = ("reset_second_factors",)
    search_fields = ("email", "first_name", "last_name")
    fieldsets = (
        (None, {"fields": ("email", "password")}),
        (_("Name"), {"fields": ("first_name", "last_name")}),
        (_("Member of"), {"fields": ("tenants", "is_active", "keys_of_leavers")}),
        (_("Rights on these pages"), {"fields": ("is_staff", "is_superuser", "groups", "user_permissions")}),
        (_("Dates"), {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (
            None,
            {
                "classes": ("wide",),
                "fields": ("email", "usable_password", "password1", "password2"),
                "description": _(
                    "Members of tenants are not added here: invite them on the tenant’s page, and they choose their "
                    "own password. Add an account here for an operator, and give it rights on the next page."
                ),
            },
        ),
    )

    @admin.display(description=_("operator"), boolean=True, ordering="is_staff")
    def operator(self, user: User) -> bool:
        return user.is_staff

    @admin.display(description=_("tenants"))
    def tenants(self, user: User) -> SafeString | str:
        rows = Member.objects.filter(user=user).select_related("tenant").order_by("tenant__name")
        lines = (
            (reverse("admin:tenants_tenant_change", args=[row.tenant_id]), row.tenant, row.get_role_display())
            for row in rows
        )
        return format_html_join(", ", '<a href="{}">{}</a> ({})', lines) or gettext("None.")

    @admin.display(description=_("second factor"), boolean=True)
    def second_factor(self, user: User) -> bool:
        return bool(getattr(user, "has_factor", False))

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return second_factors.people_with_factors(super().get_queryset(request))

    @admin.action(description=_("Reset second factors (sign in with the password alone)"), permissions=["change"])
    def reset_second_factors(self, request: HttpRequest, users: QuerySet[User]) -> None:
        """For people who lost them; they are told by mail, and signed out."""
        count = sum(factor_changes.reset(user, operator_in_each_tenant(request)) for user in users)
        text = ngettext("%(n)d person’s second factors were reset.", "%(n)d people’s second factors were reset.", count)
        self.message_user(request, text % {"n": count}, messages.WARNING)

    def save_model(self, request: HttpRequest, user: User, form: Any, change: bool) -> None:
        if not change:
            super().save_model(request, user, form, change)
            return
        with people.recording_changes(user.pk, operator_in_each_tenant(request)):
            super().save_model(request, user, form, change)
        if not user.is_active and "is_active" in form.changed_data:
            self._settle_keys(request, user, form.cleaned_data["keys_of_leavers"])

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        user = self.get_object(request, unquote(id))
        if user is None or request.method != "POST":
            return super().user_change_password(request, id, form_url)
        with people.recording_changes(user.pk, operator_in_each_tenant(request), how="operator"):
            return super().user_change_password(request, id, form_url)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Lets memberships go with the account, though they are not deleted on a page of their own."""
        shown, counts, needed, protected = super().get_deleted_objects(objs, request)
        return shown, counts, set(needed) - {Member._meta.verbose_name}, protected

    def delete_model(self, request: HttpRequest, user: User) -> None:
        """Revokes the user's keys, since the confirmation page doesn't ask."""
        with transaction.atomic():
            self._settle_keys(request, user, KeyDecision.REVOKE)
            people.record_removal(user, operator_in_each_tenant(request))
            super().delete_model(request, user)

    def delete_queryset(self, request: HttpRequest, users: QuerySet[User]) -> None:
        with transaction.atomic():
            for user in users:
                self.delete_model(request, user)

    def _settle_keys(self, request: HttpRequest, user: User, decision: str) -> None:
        actors = [operator_of(request, tenant) for tenant in former_members.tenants_with_keys_of(user)]
        if count := former_members.settle(actors, user, decision):
            kept = ngettext("%(n)d API key of theirs goes on.", "%(n)d API keys of theirs go on.", count)
            revoked = ngettext("%(n)d API key of theirs was revoked.", "%(n)d API keys of theirs were revoked.", count)
            self.message_user(
                request, (kept if decision == KeyDecision.KEEP else revoked) % {"n": count}, messages.WARNING
            )

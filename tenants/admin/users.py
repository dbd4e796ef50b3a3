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
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from tenants import factor_changes, former_members, people, second_factors
from tenants.admin.base import operator_in_each_tenant, operator_of
from tenants.former_members import KeyDecision, KeyDecisionField
from tenants.models import Member, User


class UserForm(UserChangeForm):
    keys_of_leavers = KeyDecisionField()


class UserCreationForm(AdminUserCreationForm):
    class Meta:
        model = User
        fields = ("email",)


@admin.register(User)
class UserAdmin(DjangoUserAdmin):
    """Django's page of a user, without user names: people sign in with an e-mail address."""

    form = UserForm
    add_form = UserCreationForm
    ordering = ("email",)
    list_display = ("email", "first_name", "last_name", "is_staff", "is_active", "second_factor", "last_login")
    actions = ("reset_second_factors",)
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

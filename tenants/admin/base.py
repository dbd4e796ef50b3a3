"""Base classes and functions of the operators' pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django import forms
from django.contrib import admin
from django.core import signing
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from tenants import addresses, people
from tenants.access import Actor, operator_actor
from tenants.models import (
    Tenant,
    User,
)


class ReadOnly:
    """An admin without forms, for rows that only code changes."""

    def has_add_permission(self, _request: HttpRequest, _row: Any = None) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, _row: Any = None) -> bool:
        return False

    def has_delete_permission(self, _request: HttpRequest, _row: Any = None) -> bool:
        return False


def column(field: str, label: Any) -> Any:
    """Returns a method that shows a field, in lists and on pages, under a label that says more than the model's."""

    @admin.display(description=label, ordering=field)
    def shown(_admin: Any, row: Any) -> Any:
        word = getattr(row, f"get_{field}_display", None)
        return word() if word else getattr(row, field)

    return shown


class IsSet(admin.EmptyFieldListFilter):
    """Asks of a moment whether it has come: Django's filter of empty fields, in words."""

    def choices(self, changelist: Any) -> Iterator[Any]:
        everything, empty, filled = super().choices(changelist)
        yield from (everything, filled | {"display": _("Yes")}, empty | {"display": _("No")})


class OfTenant(admin.RelatedFieldListFilter):
    """Lists tenants up to MOST; with more only the chosen one, which its own page leads to, or the search finds."""

    MOST = 100

    def field_choices(self, _field: Any, _request: HttpRequest, _admin: Any) -> list[Any]:
        names = Tenant.objects.order_by("name").values_list("pk", "name")
        first = list(names[: self.MOST + 1])
        if len(first) <= self.MOST:
            return first
        try:
            return list(names.filter(pk__in=self.lookup_val or []))
        except ValidationError:  # what is no id: the list refuses it
            return []

    def has_output(self) -> bool:
        """Is there for a chosen one, too, which is applied only where the filter is."""
        return self.lookup_val is not None or super().has_output()


class AsSeen(forms.ModelForm):
    """A form of a row that is refused where the row has changed since the page was drawn.

    Django would write all that the page shows, and take back in silence what somebody else has changed meanwhile.
    """

    seen = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        shown = [(name, str(self.initial[name])) for name in sorted(self.fields) if name in self.initial]
        self.before = self.initial["seen"] = signing.Signer(salt="tenants.admin.seen").signature(repr(shown))

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if self.instance.pk and values.get("seen") not in ("", self.before):
            raise forms.ValidationError(gettext("Somebody has changed this meanwhile. Load the page again."))
        return values

    @cached_property
    def changed_data(self) -> list[str]:
        return [name for name in super().changed_data if name != "seen"]


def operator_of(request: HttpRequest, tenant: Tenant) -> Actor:
    """Returns the signed-in operator as an actor in a tenant, for its audit log."""
    assert isinstance(request.user, User)
    return operator_actor(request.user, tenant, addresses.of_request(request))


def operator_in_each_tenant(request: HttpRequest) -> people.ActorFor:
    """Returns a function that makes the signed-in operator an actor in a member's tenant."""
    return lambda member: operator_of(request, member.tenant)

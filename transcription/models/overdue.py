"""A filter of operators' lists for overdue work."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

LATE = timedelta(minutes=10)


class Overdue(admin.SimpleListFilter):
    """Selects overdue rows. `open_rows` selects unfinished rows; `due` names the field of their due time."""

    title = _("overdue")
    parameter_name = "overdue"
    open_rows = Q()
    due = "not_before"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("1", _("For ten minutes or more"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() is None:
            return queryset
        return queryset.filter(self.open_rows, **{f"{self.due}__lt": Now() - LATE})

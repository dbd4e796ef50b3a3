"""Models whose rows are only inserted, and deleted by age."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NoReturn, TypeVar

from django.db import models

Row = TypeVar("Row", bound="AppendOnly")
BATCH = 1000


class AppendOnlyError(TypeError):
    """An append-only row was to be changed or deleted."""


class AppendOnlyRows(models.QuerySet[Row]):
    """Refuses updates and deletes, except `forget_before`."""

    def update(self, **_changes: Any) -> NoReturn:
        raise AppendOnlyError(f"{self.model.__name__} is never changed.")

    def bulk_update(self, *_arguments: Any, **_changes: Any) -> NoReturn:
        raise AppendOnlyError(f"{self.model.__name__} is never changed.")

    def delete(self) -> NoReturn:
        raise AppendOnlyError(f"{self.model.__name__} is deleted by age only.")

    def forget_before(self, moment: datetime) -> int:
        """Deletes the rows created before `moment` and returns their number.

        Ids grow with time, so the lowest ids are read first, in batches, until a batch has a younger row.
        """
        count = 0
        while True:
            oldest = list(self.order_by("id").values_list("id", "created_at")[:BATCH])
            expired = [row_id for row_id, created_at in oldest if created_at < moment]
            if expired:
                count += super(AppendOnlyRows, self.filter(id__in=expired)).delete()[0]
            if len(expired) < BATCH:
                return count


class AppendOnly(models.Model):
    """Base of append-only models. A subclass has a numeric id and `created_at`."""

    class Meta:
        abstract = True

    def save(self, **arguments: Any) -> None:
        if not self._state.adding:
            raise AppendOnlyError(f"{type(self).__name__} is never changed.")
        super().save(**{**arguments, "force_insert": True})

    def delete(self, *_arguments: Any, **_options: Any) -> NoReturn:
        raise AppendOnlyError(f"{type(self).__name__} is deleted by age only.")

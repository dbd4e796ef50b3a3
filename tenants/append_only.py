"""Rows that are written once: never changed, and deleted only when their time is over."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NoReturn, TypeVar

from django.db import models

Row = TypeVar("Row", bound="AppendOnly")
BATCH = 1000


class AppendOnlyError(TypeError):
    """Somebody tried to change or delete what is written once."""


class AppendOnlyRows(models.QuerySet[Row]):
    """Reads, inserts, and forgets what is too old."""

    def update(self, **_changes: Any) -> NoReturn:
        raise AppendOnlyError(f"{self.model.__name__} is never changed.")

    def bulk_update(self, *_arguments: Any, **_changes: Any) -> NoReturn:
        raise AppendOnlyError(f"{self.model.__name__} is never changed.")

    def delete(self) -> NoReturn:
        raise AppendOnlyError(f"{self.model.__name__} is deleted by age only.")

    def forget_before(self, moment: datetime) -> int:
        """Deletes what was written before `moment`; how many.

        Rows are as old as their ids are low, so it begins at the lowest and ends at the first batch that has a
        younger one: where nothing is to be deleted, it reads one batch.
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
    """Has a numeric id and `created_at`."""

    class Meta:
        abstract = True

    def save(self, **arguments: Any) -> None:
        if not self._state.adding:
            raise AppendOnlyError(f"{type(self).__name__} is never changed.")
        super().save(**{**arguments, "force_insert": True})

    def delete(self, *_arguments: Any, **_options: Any) -> NoReturn:
        raise AppendOnlyError(f"{type(self).__name__} is deleted by age only.")

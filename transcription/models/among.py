"""A lookup for long lists of ids."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db.models import UUIDField
from django.db.models.lookups import In


@UUIDField.register_lookup
class Among(In):
    """Is `in`, but PostgreSQL gets the ids as one array. For a list of ids; None in it matches nothing."""

    lookup_name = "among"

    def as_postgresql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        if not self.rhs:
            raise EmptyResultSet
        left, values = self.process_lhs(compiler, connection)
        return f"{left} = ANY(%s)", [*values, list(self.rhs)]

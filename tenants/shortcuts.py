from __future__ import annotations

from typing import TypeVar

from django.db import models
from django.http import Http404

Row = TypeVar("Row", bound=models.Model)


def first_or_404(rows: models.QuerySet[Row], message: str) -> Row:
    """Returns the first row. Raises Http404 with the message where there is none."""
    row = rows.first()
    if row is None:
        raise Http404(message)
    return row

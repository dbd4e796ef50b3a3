from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.api.native import parameters
from transcription.errors import InvalidOption

Row = TypeVar("Row", bound=Model)

NEWEST = ("-created_at", "-id")


class CursorPages(CursorPagination):
    """Pages of rows. A cursor that we didn't make is refused, whatever is in it.

    `offset_cutoff` is how many rows of one value of the first field there may be: a recording's name, say.
    `is_position` checks its value of the field that rows are ordered by first: a time, unless said otherwise.
    """

    offset_cutoff = 1_000_000
    is_position: Callable[[str], bool]

    def __init__(self, ordering: tuple[str, ...] | None = None) -> None:
        self.ordering = ordering or NEWEST
        self.is_position = POSITIONS.get(self.ordering[0].removeprefix("-"), _is_datetime)

    def decode_cursor(self, request: Any) -> Any:
        try:
            cursor = super().decode_cursor(request)
        except NotFound:
            raise no_such_page() from None
        if cursor is not None and cursor.position is not None and not self.is_position(str(cursor.position)):
            raise no_such_page()
        return cursor

    def get_page_size(self, request: Any) -> int:
        """Raises InvalidOption."""
        return LIMIT.read(request) or PAGE_SIZE


CURSOR = parameters.Text("cursor", "From `next` or `previous` of another page.")
PAGE_SIZE, LARGEST_PAGE = 50, 200
LIMIT = parameters.Whole("limit", f"Items on a page; {PAGE_SIZE} unless given.", range(1, LARGEST_PAGE + 1))
PAGE = (CURSOR, LIMIT)
"""Parameters of a list that `newest_first` answers."""


def newest_first(
    rows: QuerySet[Row],
    request: Request,
    view: APIView,
    fields: Callable[[Row], Any],
    ordering: tuple[str, ...] | None = None,
) -> Response:
    """Returns the page that the request asks for, each row as `fields` describes it. Raises InvalidOption.

    `ordering` is another order than the newest first: names of fields, the last one unique.
    """
    pages = CursorPages(ordering)
    page = pages.paginate_queryset(rows, request, view=view) or []
    return pages.get_paginated_response([fields(row) for row in page])


def no_such_page() -> InvalidOption:
    return InvalidOption(CURSOR.name, _("There is no such page. Begin with the first one."))


def _is_datetime(text: str) -> bool:
    try:
        found = parse_datetime(text)
    except ValueError:
        return False
    return found is not None and found.tzinfo is not None


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _is_text(text: str) -> bool:
    return "\x00" not in text


POSITIONS = {"duration_seconds": _is_number, "start": _is_number, "small_name": _is_text}

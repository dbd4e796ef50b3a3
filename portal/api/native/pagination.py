from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.api.native import parameters

Row = TypeVar("Row", bound=Model)


class CursorPages(CursorPagination):
    """Pages of rows that are ordered by a time first. A cursor that we didn't make is 404, whatever is in it."""

    def decode_cursor(self, request: Any) -> Any:
        cursor = super().decode_cursor(request)
        if cursor is not None and cursor.position is not None and not _is_datetime(str(cursor.position)):
            raise NotFound(_("There is no such page. Begin with the first one."))
        return cursor


class NewestFirst(CursorPages):
    ordering = ("-created_at", "-id")
    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 200


CURSOR = parameters.Text("cursor", "From `next` or `previous` of another page.")
PAGE = (
    CURSOR,
    OpenApiParameter(
        NewestFirst.page_size_query_param,
        OpenApiTypes.INT,
        description=f"Items on a page, 1 to {NewestFirst.max_page_size}; {NewestFirst.page_size} unless given.",
    ),
)
"""Parameters of a list that `newest_first` answers."""


def newest_first(rows: QuerySet[Row], request: Request, view: APIView, fields: Callable[[Row], Any]) -> Response:
    """Returns the page that the request asks for, each row as `fields` describes it. Raises NotFound."""
    pages = NewestFirst()
    page = pages.paginate_queryset(rows, request, view=view) or []
    return pages.get_paginated_response([fields(row) for row in page])


def _is_datetime(text: str) -> bool:
    try:
        found = parse_datetime(text)
    except ValueError:
        return False
    return found is not None and found.tzinfo is not None

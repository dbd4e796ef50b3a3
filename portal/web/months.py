"""The month in a page's query string, as `?month=2026-11`."""

from __future__ import annotations

from datetime import date

from django.http import Http404, HttpRequest
from django.utils.translation import gettext as _


def requested_month(request: HttpRequest) -> date | None:
    """Returns the month's first day, None if the query has none. Raises Http404 for an invalid month."""
    month = request.GET.get("month", "")
    if not month:
        return None
    try:
        return date.fromisoformat(f"{month}-01")
    except ValueError:
        raise Http404(_("There is no such month.")) from None
